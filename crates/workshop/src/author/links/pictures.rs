//! The pictures of the book, held against `book/PICTURES.md` as far as a machine can.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use html5gum::{Token, Tokenizer};

use super::{Page, files, string};

/// Need not be used by a chapter.
const TEMPLATE: &str = "template.svg";

/// Every picture in `directory` is shown by a page, has a title and a description, and loads nothing.
pub fn check(directory: &Path, pages: &BTreeMap<PathBuf, Page>) -> Result<Vec<String>> {
    let used: BTreeSet<_> =
        pages.values().flat_map(|page| &page.loads).filter_map(|load| Path::new(load).file_name()).collect();
    let mut findings = Vec::new();
    for path in files(directory, "svg")? {
        let name = path.file_name().unwrap_or_default();
        let shown = format!("pictures/{}", name.display());
        let svg = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        if !used.contains(name) && name != TEMPLATE {
            findings.push(format!("{shown}: no page shows it"));
        }
        findings.extend(faults(&svg).into_iter().map(|fault| format!("{shown}: {fault}")));
    }
    Ok(findings)
}

fn faults(svg: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut texts = BTreeMap::from([("title".to_owned(), String::new()), ("desc".to_owned(), String::new())]);
    let (mut open, mut view_box) = (String::new(), false);
    for Ok(token) in Tokenizer::new(svg) {
        match token {
            Token::StartTag(tag) => {
                open = string(&tag.name);
                if ["script", "style", "image", "foreignobject", "a"].contains(&open.as_str()) {
                    faults.push(format!("<{open}> has no place in a picture"));
                }
                for (name, value) in &tag.attributes {
                    let (name, value) = (string(name), string(value));
                    view_box |= open == "svg" && name == "viewbox";
                    if name.ends_with("href") && !value.starts_with('#')
                        || value.contains("url(http")
                        || name.starts_with("on")
                    {
                        faults.push(format!("{name}=\"{value}\" has no place in a picture"));
                    }
                }
            }
            Token::EndTag(_) => open.clear(),
            Token::String(text) => {
                if let Some(known) = texts.get_mut(&open) {
                    known.push_str(&string(&text));
                }
            }
            _ => {}
        }
    }
    faults.extend(texts.iter().filter(|(_, text)| text.trim().is_empty()).map(|(tag, _)| format!("no <{tag}>")));
    if !view_box {
        faults.push("no viewBox".to_owned());
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_titled_and_loads_nothing() {
        let good = r##"<svg viewBox="0 0 1 1"><title>t</title><desc>d</desc><path marker-end="url(#arrow)"/></svg>"##;
        assert_eq!(faults(good), [""; 0]);
        let bad =
            r#"<svg onload="x()"><title> </title><image href="https://example.org/x.png"/><script>x</script></svg>"#;
        let faults = faults(bad).join("\n");
        for words in ["onload", "<image>", "example.org", "<script>", "no <title>", "no <desc>", "no viewBox"] {
            assert!(faults.contains(words), "{faults}");
        }
    }
}
