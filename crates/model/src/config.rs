//! A bundle's `config.json`: read, with a place for what cannot be understood.

use oci_spec::runtime::Spec;

use serde_json::Value;

use crate::caps::CapSet;
use crate::error::{Error, Result, in_one_line};

/// A configuration, and what its reader should know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The configuration.
    pub spec: Spec,
    /// What is passed over, a line each.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the text of a `config.json`. Fields that nobody knows are passed over. So are capabilities that nobody knows, and
    /// parts for other platforms, with a warning each. Source: OCI runtime-spec, config, "Extensibility" and "Linux Process".
    ///
    /// # Errors
    /// [`Error::Invalid`] with the place of what is wrong.
    pub fn read(text: &[u8]) -> Result<Config> {
        let mut warnings = Vec::new();
        let spec = match serde_json::from_slice(text) {
            Ok(spec) => spec,
            // Once more, slowly: for the place, and for what this may do without.
            Err(_) => {
                let mut value: Value = serde_json::from_slice(text).map_err(|error| not_json(&error))?;
                forget_unknown_capabilities(&mut value, &mut warnings);
                spell_scheduler_flags(&mut value);
                let read = serde_path_to_error::deserialize(value);
                read.map_err(|error| {
                    Error::invalid("config.json", error.path().to_string(), error.inner().to_string())
                })?
            }
        };
        check_version(&spec)?;
        let others = [
            ("solaris", spec.solaris().is_some()),
            ("windows", spec.windows().is_some()),
            ("zos", spec.zos().is_some()),
        ];
        let others = others.into_iter().filter(|(_, is_there)| *is_there);
        warnings.extend(others.map(|(name, _)| format!("{name} is for another platform, and passed over")));
        Ok(Config { spec, warnings })
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::invalid("config.json", format!("line {} column {}", error.line(), error.column()), error.to_string())
}

/// Every version 1 that there is, and those that will be: a minor one adds, and takes nothing back. Source: OCI runtime-spec,
/// config, "Specification version"; semver.org 2.0.0.
fn check_version(spec: &Spec) -> Result<()> {
    let version = spec.version();
    let (numbers, _) = version.split_once(['-', '+']).unwrap_or((version, ""));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = numbers.split('.').collect();
    match parts[..] {
        ["1", minor, patch] if is_number(minor) && is_number(patch) => Ok(()),
        _ => Err(Error::invalid("ociVersion", version, "1.0.0 to 1.3.0, or another version 1")),
    }
}

fn forget_unknown_capabilities(config: &mut Value, warnings: &mut Vec<String>) {
    for set in ["bounding", "effective", "inheritable", "permitted", "ambient"] {
        let names = config.pointer_mut(&format!("/process/capabilities/{set}")).and_then(Value::as_array_mut);
        let Some(names) = names else { continue };
        names.retain(|name| match name.as_str() {
            Some(name) if CapSet::named("a capability", name).is_err() => {
                let name = in_one_line(name);
                warnings.push(format!("process.capabilities.{set}: nobody knows {name}, and nobody gets it"));
                false
            }
            _ => true,
        });
    }
}

/// As the crate oci-spec spells those of its flags that it spells in a way of its own.
fn spell_scheduler_flags(config: &mut Value) {
    let flags = config.pointer_mut("/process/scheduler/flags").and_then(Value::as_array_mut);
    for flag in flags.into_iter().flatten() {
        match flag.as_str() {
            Some("SCHED_FLAG_RESET_ON_FORK") => *flag = "SCHED_RESET_ON_FORK".into(),
            Some("SCHED_FLAG_DL_OVERRUN") => *flag = "SCHED_FLAG_D_L_OVERRUN".into(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Config::read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        for (text, words) in [
            ("{", "config.json \"line 1 column 1\" is not valid"),
            (r#"{"ociVersion":"1.2.0","linux":{"resources":{"cpu":{"quota":"x"}}}}"#, "\"linux.resources.cpu.quota\""),
            (
                r#"{"ociVersion":"1.2.0","mounts":[{"destination":"/a"},{"destination":7}]}"#,
                "\"mounts[1].destination\"",
            ),
            (r#"{"ociVersion":"2.0.0"}"#, "ociVersion \"2.0.0\" is not valid: 1.0.0 to 1.3.0"),
            (r#"{"ociVersion":"1.2"}"#, "ociVersion \"1.2\""),
            ("{}", "ociVersion \"\""),
        ] {
            assert!(refusal(text).contains(words), "expected {words:?} in {:?}", refusal(text));
        }
    }

    #[test]
    fn every_version_1_is_read_and_unknown_fields_are_passed_over() {
        for version in ["1.0.0", "1.0.2-dev", "1.1.0+rc.1", "1.3.0", "1.30.7"] {
            let text = format!(r#"{{"ociVersion":"{version}","field":{{}},"linux":{{"another":1}}}}"#);
            assert!(Config::read(text.as_bytes()).unwrap().warnings.is_empty(), "{version}");
        }
    }

    #[test]
    fn a_capability_that_nobody_knows_is_a_warning() {
        let process = r#""process":{"cwd":"/","user":{},"capabilities":{"bounding":["CAP_KILL","CAP_FLY"]}}"#;
        let text = format!(r#"{{"ociVersion":"1.2.0",{process},"windows":{{}}}}"#);
        let config = Config::read(text.as_bytes()).unwrap();
        assert!(
            config.warnings[0].contains("CAP_FLY") && config.warnings[1].contains("windows"),
            "{:?}",
            config.warnings
        );
        let process = config.spec.process().as_ref().unwrap();
        assert_eq!(process.capabilities().as_ref().unwrap().bounding().as_ref().unwrap().len(), 1);
    }

    #[test]
    fn a_scheduler_has_the_specifications_flags() {
        let scheduler = r#"{"policy":"SCHED_BATCH","flags":["SCHED_FLAG_RESET_ON_FORK","SCHED_FLAG_DL_OVERRUN"]}"#;
        let process = format!(r#"{{"cwd":"/","user":{{}},"scheduler":{scheduler}}}"#);
        let text = format!(r#"{{"ociVersion":"1.2.0","process":{process}}}"#);
        assert!(Config::read(text.as_bytes()).is_ok(), "{:?}", Config::read(text.as_bytes()));
    }
}
