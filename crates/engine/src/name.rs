//! What people call an image: `debian`, `localhost:5000/me/web:1.2`, `debian@sha256:…`.

use std::fmt::{self, Display};
use std::str::FromStr;

use model::image::Digest;
use model::{Error, Result};
use oci_spec::distribution::Reference;

const DOCKER: &str = "docker.io";
const FORM: &str =
    "[REGISTRY/]NAME[:TAG][@sha256:DIGEST], in lower-case letters, as in debian:12 or localhost:5000/me/web";

/// A name with all that short ones leave out: the registry, the directory of Docker's own images, the tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Reference);

impl Name {
    /// Where the image is to be had: a registry's host and port.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// Its name there, without the tag.
    #[must_use]
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// The tag; with a digest alone there is none.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The digest of the manifest that it has to be.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.0.digest()
    }

    /// The whole of it, by which the store knows the image.
    #[must_use]
    pub fn whole(&self) -> String {
        self.0.whole()
    }

    /// The same image, by the digest of its manifest.
    #[must_use]
    pub fn with_digest(&self, digest: impl Display) -> String {
        format!("{}/{}@{digest}", self.registry(), self.repository())
    }

    /// As registries are told.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.0
    }

    /// The name without the tag, and the tag, as a list shows them.
    #[must_use]
    pub fn columns(&self) -> (String, String) {
        let short = self.to_string();
        let tag = self.tag().unwrap_or("<none>").to_owned();
        let end = self.tag().map_or_else(|| short.find('@').unwrap_or(short.len()), |tag| short.len() - tag.len() - 1);
        (short[..end].to_owned(), tag)
    }
}

/// As people write it: without what is understood.
impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.whole();
        let short = whole.strip_prefix("docker.io/").unwrap_or(&whole);
        f.write_str(short.strip_prefix("library/").unwrap_or(short))
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // 64 hexadecimal digits are an image's id, wherever a name could be.
        let is_id = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let reference = parse(text).filter(|_| !is_id);
        reference.map(Name).ok_or_else(|| Error::invalid("image name", text, FORM))
    }
}

/// By the grammar of the distribution project, `reference.go`, and Docker's rules for what short names leave out. By hand: as a
/// regular expression it takes 19 MB, and longer than a container's start.
fn parse(text: &str) -> Option<Reference> {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    // A colon before a slash is a port's.
    let tagged = rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let (name, tag) = tagged.map_or((rest, None), |(name, tag)| (name, Some(tag)));
    let tag = tag.or_else(|| digest.is_none().then_some("latest"));
    let (registry, path) = match name.split_once('/') {
        Some(("index.docker.io", path)) => (DOCKER, path),
        Some((first, path)) if first == "localhost" || first.contains(['.', ':']) => (first, path),
        _ => (DOCKER, name),
    };
    let is_dockers_own = registry == DOCKER && !path.contains('/');
    let path = if is_dockers_own { format!("library/{path}") } else { path.to_owned() };
    let is_right = is_host(registry)
        && path.len() <= 255
        && path.split('/').all(is_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(|digest| digest.parse::<Digest>().is_ok());
    let registry = registry.to_owned();
    let reference = match (tag.map(str::to_owned), digest.map(str::to_owned)) {
        (Some(tag), Some(digest)) => Reference::with_tag_and_digest(registry, path, tag, digest),
        (None, Some(digest)) => Reference::with_digest(registry, path, digest),
        (tag, None) => Reference::with_tag(registry, path, tag?),
    };
    is_right.then_some(reference)
}

fn is_host(host: &str) -> bool {
    let (host, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    host.split('.').all(|label| is_label(label) && label.bytes().all(is_inner))
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Words, and one dot, one or two underscores or any number of dashes between them.
fn is_component(part: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_between = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    part.starts_with(is_word) && part.ends_with(is_word) && part.split(is_word).all(is_between)
}

fn is_tag(tag: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=128).contains(&tag.len()) && tag.bytes().all(is_inner) && !tag.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_dockers() {
        for (short, whole, again) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("debian:12", "docker.io/library/debian:12", "debian:12"),
            ("me/web", "docker.io/me/web:latest", "me/web:latest"),
            ("localhost:5000/web", "localhost:5000/web:latest", "localhost:5000/web:latest"),
            ("docker.io/library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ] {
            let name: Name = short.parse().unwrap();
            assert_eq!((name.whole(), name.to_string()), (whole.to_owned(), again.to_owned()));
        }
        assert_eq!(
            "localhost:5000/web:1".parse::<Name>().unwrap().columns(),
            ("localhost:5000/web".into(), "1".into())
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let (id, sha512) = ("a".repeat(64), format!("web@sha512:{}", "a".repeat(128)));
        let (path, tag) = (format!("me/{}", "a".repeat(252)), format!("web:{}", "a".repeat(128)));
        for longest in [&path, &tag] {
            assert!(longest.parse::<Name>().is_ok(), "{longest}");
            assert!(format!("{longest}a").parse::<Name>().is_err(), "{longest}a");
        }
        for bad in ["", "Web", "web:", "../web", "web@sha256:12", &id, &sha512, "/etc/passwd", "a b", "./x"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    /// The crate has the grammar as one regular expression. Words of its letters are names for both or for neither, but for
    /// a registry's name without a dot that has capitals, or with an underscore, which the crate lets through.
    #[test]
    fn the_grammar_is_that_of_the_crate() {
        let pieces =
            ["a", "Z", "0", ".", "_", "-", "/", ":", "@", "localhost", "x.io", &format!("@sha256:{}", "a".repeat(64))];
        let mut seed = 1_u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let mut names = 0;
        for _ in 0..20_000 {
            let text: String = (0..=next(8)).map(|_| pieces[next(pieces.len())]).collect();
            match (parse(&text), text.parse::<Reference>()) {
                (Some(own), Ok(other)) => assert_eq!(own, other, "{text}"),
                (Some(own), Err(error)) => panic!("{text}: {own}, {error}"),
                (None, Ok(_)) => {
                    let first = text.split_once('/').map_or("", |(first, _)| first);
                    assert!(first.contains('_') || first.chars().any(char::is_uppercase), "{text}");
                }
                (None, Err(_)) => continue,
            }
            names += 1;
        }
        assert!(names > 500, "{names}");
    }
}
