//! `links`: the book, as mdBook renders it, leads nowhere that is not there and loads nothing from outside.
//!
//! The rendered pages are read, not the sources: so what is checked is what a reader clicks on, and mdBook's
//! rules for the names of headings need not be known here.

mod pictures;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use html5gum::{HtmlString, Token, Tokenizer};
use pulldown_cmark::{Event, Tag};

use crate::course::Course;

/// Builds the book in a temporary directory and checks it. Returns what was wrong.
///
/// # Errors
/// mdBook is missing or fails, or a file cannot be read.
pub fn links(course: &Course) -> Result<Vec<String>> {
    let built = tempfile::tempdir()?;
    let mut mdbook = Command::new("mdbook");
    mdbook.arg("build").arg(course.root.join("book")).arg("--dest-dir").arg(built.path());
    let output = mdbook.output().context("start mdbook: the book's page for authors says how to install it")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "mdbook build:\n{said}");

    // A warning of mdBook is a link or an include that it could not follow.
    let warnings = said.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
    let mut findings: Vec<_> = warnings.map(|line| format!("mdbook: {line}")).collect();
    let pages = pages(built.path())?;
    findings.extend(check_pages(&pages, built.path()));
    findings.extend(check_style_sheets(built.path())?);
    findings.extend(check_readme(course, &pages)?);
    findings.extend(pictures::check(&course.root.join("book/src/pictures"), &pages)?);
    Ok(findings)
}

/// What a page refers to, and what can be referred to in it.
#[derive(Debug, Default)]
struct Page {
    anchors: BTreeSet<String>,
    /// `href` of `a`.
    links: Vec<String>,
    /// What a browser fetches by itself.
    loads: Vec<String>,
}

impl Page {
    fn parse(html: &str) -> Self {
        let mut page = Self::default();
        for Ok(token) in Tokenizer::new(html) {
            let Token::StartTag(tag) = token else { continue };
            let attribute = |name: &str| tag.attributes.get(name.as_bytes()).map(|value| string(value));
            page.anchors.extend(attribute("id"));
            match string(&tag.name).as_str() {
                "a" => page.links.extend(attribute("href")),
                "link" | "image" | "use" => page.loads.extend(attribute("href").or_else(|| attribute("xlink:href"))),
                "form" => page.links.extend(attribute("action")),
                "object" => page.loads.extend(attribute("data")),
                "base" => page.loads.extend(attribute("href")),
                _ => page
                    .loads
                    .extend(attribute("src").into_iter().chain(attribute("srcset")).chain(attribute("poster"))),
            }
        }
        page
    }
}

fn string(bytes: &HtmlString) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The pages of a built book by file name relative to it.
fn pages(built: &Path) -> Result<BTreeMap<PathBuf, Page>> {
    let mut pages = BTreeMap::new();
    for path in files(built, "html")? {
        let html = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        pages.insert(path.strip_prefix(built)?.to_owned(), Page::parse(&html));
    }
    Ok(pages)
}

fn check_pages(pages: &BTreeMap<PathBuf, Page>, built: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, page) in pages {
        let outside = page.loads.iter().filter(|target| has_scheme(target));
        findings.extend(outside.map(|target| format!("{}: loads {target}, from outside the book", name.display())));
        let local = page.links.iter().chain(&page.loads).filter(|target| !has_scheme(target));
        let broken =
            local.filter_map(|target| Some(format!("{}: {}", name.display(), broken(pages, built, name, target)?)));
        findings.extend(broken);
    }
    findings
}

/// `https:…`, `mailto:…`, or `//host/…`.
fn has_scheme(target: &str) -> bool {
    let scheme = target.split(['/', '?', '#']).next().unwrap_or_default();
    target.starts_with("//") || scheme.contains(':')
}

/// Why `target`, as written in the page `name`, leads nowhere; `None` when it leads somewhere.
fn broken(pages: &BTreeMap<PathBuf, Page>, built: &Path, name: &Path, target: &str) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = path.split('?').next().unwrap_or_default();
    let file = match path {
        "" => name.to_owned(),
        path => normal(&name.parent().unwrap_or(Path::new("")).join(unescape(path))),
    };
    match pages.get(&file) {
        Some(page) if anchor.is_empty() || page.anchors.contains(&unescape(anchor)) => None,
        Some(_) => Some(format!("{target}: no heading or id `{anchor}` in {}", file.display())),
        None if built.join(&file).is_file() => None,
        None => Some(format!("{target}: there is no {} in the book", file.display())),
    }
}

/// Without `.` and `..`; what would leave the book keeps its `..` and so is not found.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// `%20` read back.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte = || u8::from_str_radix(std::str::from_utf8(tail.get(..2)?).ok()?, 16).ok();
        let escaped = if *first == b'%' { byte() } else { None };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// README.md links to the sources of pages; what is checked is that the files are there, and the headings.
fn check_readme(course: &Course, pages: &BTreeMap<PathBuf, Page>) -> Result<Vec<String>> {
    let readme = fs::read_to_string(course.root.join("README.md")).context("read README.md")?;
    let mut findings = Vec::new();
    for event in pulldown_cmark::Parser::new(&readme) {
        let Event::Start(Tag::Link { dest_url: target, .. } | Tag::Image { dest_url: target, .. }) = event else {
            continue;
        };
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let page =
            Path::new(path).strip_prefix("book/src").ok().and_then(|page| pages.get(&page.with_extension("html")));
        if has_scheme(&target) || path.is_empty() {
            continue;
        } else if !course.root.join(path).is_file() {
            findings.push(format!("README.md: {target}: there is no {path}"));
        } else if !anchor.is_empty() && !page.is_some_and(|page| page.anchors.contains(anchor)) {
            findings.push(format!("README.md: {target}: no heading `{anchor}` in {path}"));
        }
    }
    Ok(findings)
}

fn check_style_sheets(built: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in files(built, "css")? {
        let css = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let loads = css.match_indices("url(").map(|(at, _)| css[at + 4..].trim_start_matches(['"', '\'', ' ']));
        let imports = css.match_indices("@import").map(|(at, _)| css[at + 7..].trim_start_matches(['"', '\'', ' ']));
        let outside = loads.chain(imports).filter(|target| target.starts_with("http") || target.starts_with("//"));
        findings.extend(outside.map(|target| {
            let target = target.split(['"', '\'', ')']).next().unwrap_or_default();
            format!("{}: loads {target}, from outside the book", path.strip_prefix(built).unwrap_or(&path).display())
        }));
    }
    Ok(findings)
}

/// The files below `directory` with this extension, sorted.
fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(pages: &[(&str, &str)]) -> Vec<String> {
        let pages = pages.iter().map(|(name, html)| (PathBuf::from(name), Page::parse(html))).collect();
        let built = tempfile::tempdir().unwrap();
        fs::write(built.path().join("picture.svg"), "").unwrap();
        check_pages(&pages, built.path())
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let a = r##"<h1 id="top">A</h1><a href="sub/b.html#caf%C3%A9">b</a><a href="#top">.</a><img src="picture.svg">
                    <a href="https://man7.org/">outside, on a click</a>"##;
        assert_eq!(book(&[("a.html", a), ("sub/b.html", r#"<a id="café" href="../a.html">a</a>"#)]), [""; 0]);
    }

    #[test]
    fn each_kind_of_broken_link_is_named() {
        let a = r##"<a href="b.html">x</a><a href="#bottom">x</a><a href="../README.md">x</a><img src="gone.svg">"##;
        let findings = book(&[("a.html", a)]).join("\n");
        for words in
            ["there is no b.html", "no heading or id `bottom`", "there is no ../README.md", "there is no gone.svg"]
        {
            assert!(findings.contains(words), "{findings}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_outside() {
        let a = r#"<script src="https://example.org/x.js"></script><link rel="stylesheet" href="//example.org/x.css">"#;
        assert_eq!(book(&[("a.html", a)]).len(), 2);
    }
}
