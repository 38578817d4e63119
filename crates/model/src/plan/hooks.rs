//! Programs that are called at fixed places of a container's life: `hooks` of the OCI configuration, checked.

use std::ffi::CString;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use oci_spec::runtime::{Hook as OciHook, Hooks as OciHooks, Spec};

use super::process::c_string;
use crate::error::{Error, Result};

/// The hooks of a container, by the place where they are called, each list in its order.
/// Source: OCI runtime-spec, config, "POSIX-platform Hooks".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hooks {
    /// By the runtime, when the namespaces are made; the old name of `create_runtime`.
    pub prestart: Vec<Hook>,
    /// By the runtime, when the namespaces are made, before the root is switched.
    pub create_runtime: Vec<Hook>,
    /// In the container's namespaces, before the root is switched.
    pub create_container: Vec<Hook>,
    /// In the container, before its command.
    pub start_container: Vec<Hook>,
    /// By the runtime, after the command has been started.
    pub poststart: Vec<Hook>,
    /// By the runtime, after the container has been deleted.
    pub poststop: Vec<Hook>,
}

/// A program that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// Its arguments, its own name first; empty for its path alone.
    pub args: Vec<CString>,
    /// Its whole environment, each `NAME=value`; without one it has that of whoever calls it.
    pub env: Option<Vec<CString>>,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

impl Hooks {
    /// The hooks that `spec` asks for.
    ///
    /// # Errors
    /// [`Error::Invalid`] names what is wrong with one.
    pub fn from_spec(spec: &Spec) -> Result<Hooks> {
        spec.hooks().as_ref().map_or(Ok(Hooks::default()), Hooks::from_oci)
    }

    pub(crate) fn from_oci(hooks: &OciHooks) -> Result<Hooks> {
        let list = |list: &Option<Vec<OciHook>>| list.iter().flatten().map(Hook::from_oci).collect::<Result<Vec<_>>>();
        Ok(Hooks {
            prestart: list(hooks.prestart())?,
            create_runtime: list(hooks.create_runtime())?,
            create_container: list(hooks.create_container())?,
            start_container: list(hooks.start_container())?,
            poststart: list(hooks.poststart())?,
            poststop: list(hooks.poststop())?,
        })
    }
}

impl Hook {
    fn from_oci(hook: &OciHook) -> Result<Hook> {
        if !hook.path().is_absolute() {
            return Err(Error::invalid("hooks.path", hook.path().to_string_lossy(), "an absolute path"));
        }
        let texts = |what, list: &[String]| list.iter().map(|text| c_string(what, text)).collect::<Result<_>>();
        let timeout = |seconds: i64| {
            let seconds = u64::try_from(seconds).ok().and_then(NonZero::new);
            let invalid =
                || Error::invalid("hooks.timeout", hook.timeout().unwrap_or(0).to_string(), "1 second or more");
            seconds.map(|seconds| Duration::from_secs(seconds.get())).ok_or_else(invalid)
        };
        Ok(Hook {
            path: hook.path().clone(),
            args: texts("hooks.args", hook.args().as_deref().unwrap_or_default())?,
            env: hook.env().as_deref().map(|env| texts("hooks.env", env)).transpose()?,
            timeout: hook.timeout().map(timeout).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks(hook: &str) -> Result<Hooks> {
        let spec = format!(r#"{{"ociVersion": "1.2.0", "hooks": {{"poststop": [{hook}]}}}}"#);
        Hooks::from_spec(&serde_json::from_str(&spec).unwrap())
    }

    #[test]
    fn a_hook_that_cannot_be_called_is_refused() {
        for (bad, words) in [
            (r#"{"path": "bin/true"}"#, "hooks.path \"bin/true\" is not valid: an absolute path"),
            (r#"{"path": "/bin/true", "timeout": 0}"#, "1 second or more"),
            (r#"{"path": "/bin/true", "timeout": -1}"#, "1 second or more"),
            (r#"{"path": "/bin/true", "args": ["a\u0000b"]}"#, "without a NUL byte"),
        ] {
            let error = hooks(bad).unwrap_err().to_string();
            assert!(error.contains(words), "expected {words:?} in {error:?}");
        }
        let right = hooks(r#"{"path": "/bin/sh", "args": ["sh", "-c"], "env": ["A=1"], "timeout": 2}"#).unwrap();
        let hook = &right.poststop[0];
        assert_eq!((hook.args.len(), hook.timeout), (2, Some(Duration::from_secs(2))));
    }
}
