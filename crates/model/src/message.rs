//! What the child tells the parent when a step fails.

use std::io;

use serde::{Deserialize, Serialize};

use crate::error::{During, Error};

/// An error on its way through a pipe: from the child, which has no business on the user's terminal, to the
/// parent, which prints it once. Nothing on the pipe means that the command was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    operation: String,
    object: String,
    errno: Option<i32>,
    text: String,
    /// A value that was refused, with where it came from and which values are right.
    #[serde(default)]
    refused: Option<(String, String, String)>,
}

impl Message {
    /// The message for a child that panicked, with the words of the panic.
    #[must_use]
    pub fn panicked(text: &str) -> Self {
        Message {
            operation: "start".into(),
            object: "the container".into(),
            errno: None,
            text: text.into(),
            refused: None,
        }
    }

    /// The bytes for the pipe: one JSON object.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what came through the pipe. `None` for an empty pipe: the child had nothing to complain about.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        // Half a message still means that the child failed.
        Some(serde_json::from_slice(bytes).unwrap_or_else(|error| Message::panicked(&error.to_string())))
    }

    /// The error as the child saw it.
    #[must_use]
    pub fn into_error(self) -> Error {
        let source = match self.errno {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(self.text),
        };
        if let Some((what, value, right)) = self.refused {
            return Error::invalid(what.leak(), value, right);
        }
        // An error's operation is a literal everywhere else. This one crossed a process boundary, at most once
        // in the life of the parent, so it is leaked.
        let failed: Result<(), Error> = Err(source).during(self.operation.leak(), self.object);
        failed.expect_err("it was made as one")
    }
}

impl From<&Error> for Message {
    fn from(error: &Error) -> Self {
        match error {
            Error::Os { operation, object, source } => Message {
                operation: (*operation).into(),
                object: object.clone(),
                errno: source.raw_os_error(),
                text: source.to_string(),
                refused: None,
            },
            Error::Invalid { what, value, right } => Message {
                refused: Some(((*what).into(), value.clone(), right.to_string())),
                ..Message::panicked(&error.to_string())
            },
            other => Message::panicked(&other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;
    use nix::errno::Errno;

    #[test]
    fn an_error_crosses_the_pipe_word_for_word() {
        let error = Err::<(), _>(Errno::EINVAL).during("pivot_root", "/r").unwrap_err();
        let there = Message::from_bytes(&Message::from(&error).to_bytes()).unwrap().into_error();
        assert_eq!(there.to_string(), error.to_string());
        assert_eq!(there.errno(), Some(Errno::EINVAL));
    }

    #[test]
    fn an_error_without_errno_keeps_its_words() {
        let error = Error::invalid("process.cwd", "x", "an absolute path");
        let there = Message::from_bytes(&Message::from(&error).to_bytes()).unwrap().into_error();
        assert_eq!(there.to_string(), error.to_string());
        assert_eq!(exit::code(&there), exit::USAGE);
    }

    #[test]
    fn nothing_is_good_news_and_half_a_message_is_not() {
        assert_eq!(Message::from_bytes(b""), None);
        assert!(Message::from_bytes(b"{\"operation\":\"mou").is_some());
    }
}
