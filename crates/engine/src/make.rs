//! New images: from what a container has written, or from an archive.

use std::time::{SystemTime, UNIX_EPOCH};

use model::image::Digest;
use model::{Error, Result};
use oci_spec::image::Arch;
use serde_json::{Map, Value, json};

use crate::blobs::{parse, parse_digest};
use crate::formats::{describe, manifest};
use crate::image::{Image, media_type};
use crate::store::Store;

/// A layer that is in the store, packed.
#[derive(Debug, Clone, Copy)]
pub struct NewLayer {
    /// Its digest.
    pub digest: Digest,
    /// The digest of what is in the package.
    pub diff_id: Digest,
    /// How it is packed.
    pub media_type: &'static str,
}

/// What is said about a new image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Remarks<'a> {
    /// Lines such as `CMD ["sh"]`, as a Dockerfile has them.
    pub changes: &'a [String],
    /// What made the layer.
    pub created_by: &'a str,
    /// Who.
    pub author: Option<&'a str>,
    /// Why.
    pub comment: Option<&'a str>,
}

const CHANGE_FORM: &str =
    "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR, and what it is to be";

/// Puts an image into the store: `base` with one more `layer`. Without a base, or when `is_whole`, that layer is all that it has.
///
/// # Errors
/// [`Error::Invalid`] for a change that cannot be understood; what cannot be written.
pub fn make(
    store: &Store,
    base: Option<&Image>,
    is_whole: bool,
    layer: NewLayer,
    remarks: Remarks<'_>,
) -> Result<Image> {
    let base_text = base.map(|base| store.document(&base.id)).transpose()?;
    let mut config: Value = match (&base, base_text) {
        (Some(base), Some(text)) => parse("read the configuration", base.id, &text)?,
        _ => json!({"architecture": Arch::default().to_string(), "os": "linux"}),
    };
    let root = config.as_object_mut().ok_or_else(|| Error::invalid("configuration", "", "a JSON object"))?;
    let now = created();
    root.insert("created".into(), now.clone().into());
    if let Some(author) = remarks.author {
        root.insert("author".into(), author.into());
    }
    if is_whole {
        root.remove("rootfs");
        root.remove("history");
    }
    let rootfs = root.entry("rootfs").or_insert_with(|| json!({"type": "layers", "diff_ids": []}));
    push(rootfs.as_object_mut(), "diff_ids", layer.diff_id.to_string().into());
    let mut line = json!({"created": now, "created_by": remarks.created_by});
    for (key, value) in [("author", remarks.author), ("comment", remarks.comment)] {
        if let Some(value) = value {
            line[key] = value.into();
        }
    }
    push(Some(root), "history", line);
    let settings = root.entry("config").or_insert_with(|| json!({}));
    let settings = settings.as_object_mut().ok_or_else(|| Error::invalid("config", "", "a JSON object"))?;
    remarks.changes.iter().try_for_each(|line| change(settings, line))?;
    finish(store, base.filter(|_| !is_whole), &config, layer)
}

fn finish(store: &Store, base: Option<&Image>, config: &Value, layer: NewLayer) -> Result<Image> {
    let text = config.to_string();
    let id = store.put(text.as_bytes())?;
    let mut layers = base.map(|base| base.manifest.layers().clone()).unwrap_or_default();
    layers.push(describe(&layer.digest, store.blob_bytes(&layer.digest)?, layer.media_type)?);
    let config = describe(&id, text.len() as u64, media_type::CONFIGS[0])?;
    let manifest = store.put(&manifest(config, layers)?)?;
    let digest = parse_digest(&manifest.to_string())?;
    Image::read(store, &digest)
}

/// Now, or what $SOURCE_DATE_EPOCH says, for images that are to be the same bytes again.
fn created() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let time = epoch.map_or_else(SystemTime::now, |s| UNIX_EPOCH + std::time::Duration::from_secs(s));
    humantime::format_rfc3339_seconds(time).to_string()
}

fn push(object: Option<&mut Map<String, Value>>, key: &str, value: Value) {
    let list = object.map(|object| object.entry(key).or_insert_with(|| json!([])));
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.push(value);
    }
}

/// One line of a Dockerfile that is about how an image is run.
fn change(config: &mut Map<String, Value>, line: &str) -> Result<()> {
    let bad = || Error::invalid("--change", line, CHANGE_FORM);
    let (word, rest) = line.trim().split_once(char::is_whitespace).ok_or_else(bad)?;
    let rest = rest.trim();
    let list = serde_json::from_str::<Vec<String>>(rest).ok();
    let shell = || vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.to_owned()];
    match word.to_ascii_uppercase().as_str() {
        "CMD" => set(config, "Cmd", json!(list.unwrap_or_else(shell))),
        "ENTRYPOINT" => {
            set(config, "Entrypoint", json!(list.unwrap_or_else(shell)));
        }
        "USER" => set(config, "User", rest.into()),
        "WORKDIR" => set(config, "WorkingDir", rest.into()),
        "STOPSIGNAL" => set(config, "StopSignal", rest.into()),
        "ENV" => {
            let pair = if rest.contains('=') { rest.to_owned() } else { rest.replacen(' ', "=", 1) };
            let name = pair.split_once('=').ok_or_else(bad)?.0.to_owned() + "=";
            let env = config.entry("Env").or_insert_with(|| json!([]));
            let env = env.as_array_mut().ok_or_else(bad)?;
            env.retain(|old| !old.as_str().is_some_and(|old| old.starts_with(&name)));
            env.push(pair.into());
        }
        "LABEL" => {
            let (key, value) = rest.split_once('=').ok_or_else(bad)?;
            insert(config, "Labels", key, value.trim_matches('"').into()).ok_or_else(bad)?;
        }
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
                insert(config, "ExposedPorts", &port, json!({})).ok_or_else(bad)?;
            }
        }
        "VOLUME" => {
            let all = list.unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            for path in all {
                insert(config, "Volumes", &path, json!({})).ok_or_else(bad)?;
            }
        }
        _ => return Err(bad()),
    }
    Ok(())
}

fn set(config: &mut Map<String, Value>, key: &str, value: Value) {
    config.insert(key.into(), value);
}

fn insert(config: &mut Map<String, Value>, object: &str, key: &str, value: Value) -> Option<()> {
    let object = config.entry(object).or_insert_with(|| json!({}));
    if object.is_null() {
        *object = json!({});
    }
    object.as_object_mut()?.insert(key.into(), value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_lines_of_a_dockerfile() {
        let mut config = Map::new();
        let lines =
            ["CMD [\"a\", \"b\"]", "entrypoint top -b", "ENV A=1", "ENV A=2", "EXPOSE 80 53/udp", "VOLUME /data"];
        lines.iter().chain(&["LABEL k=v", "USER me"]).for_each(|line| change(&mut config, line).unwrap());
        assert_eq!(
            Value::Object(config),
            json!({
                "Cmd": ["a", "b"], "Entrypoint": ["/bin/sh", "-c", "top -b"], "Env": ["A=2"], "User": "me",
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/data": {}}, "Labels": {"k": "v"},
            })
        );
        for bad in ["", "CMD", "RUN true", "ENV A"] {
            assert!(change(&mut Map::new(), bad).unwrap_err().to_string().contains("--change"), "{bad}");
        }
    }
}
