//! What people call an image: `debian`, `localhost:5000/me/web:1.2`, `debian@sha256:…`.

use std::fmt::{self, Display};
use std::str::FromStr;

use model::{Error, Result};
use oci_spec::distribution::Reference;

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
        let reference = text.parse::<Reference>().ok().filter(|_| !is_id);
        let is_sha256 = |it: &Reference| it.digest().is_none_or(|digest| digest.starts_with("sha256:"));
        reference.filter(is_sha256).map(Name).ok_or_else(|| Error::invalid("image name", text, FORM))
    }
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
        for bad in ["", "Web", "web:", "../web", "web@sha256:12", &id, &sha512, "/etc/passwd", "a b", "./x"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
