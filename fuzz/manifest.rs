//! What holds for every text that is given as a manifest, as a configuration or as an index: it is refused in one line, or the
//! image that it makes has as many layers as it tells of, and no index leads on for ever.

use engine::{Image, Platform, resolve_all};
use model::Error;

/// A manifest and a configuration that are right, and belong together.
const MANIFEST: &[u8] = include_bytes!("corpus/manifest/manifest.json");
const CONFIG: &[u8] = include_bytes!("corpus/manifest/config.json");

/// Panics when the text makes an image that contradicts itself.
pub fn check(text: &[u8]) {
    for (manifest, config) in [(text, CONFIG), (MANIFEST, text), (text, text)] {
        match Image::of(manifest, config) {
            Ok(image) => {
                assert_eq!(image.layers.len(), image.diff_ids.len());
                assert_eq!(image.layers.len(), image.manifest.layers().len());
            }
            Err(error) => is_one_line(&error),
        }
    }
    // Whatever is asked for, it is this text again.
    let mut asked = 0;
    let resolved = resolve_all(text, &Platform::own(), |_| {
        asked += 1;
        Ok(text.to_vec())
    });
    let lines = resolved.as_ref().map_or(0, Vec::len);
    assert!(asked <= 4 * (lines + 1), "{asked} texts were asked for");
    if let Err(error) = resolved {
        is_one_line(&error);
    }
}

fn is_one_line(error: &Error) {
    let told = error.to_string();
    assert!(!told.contains(char::is_control), "not one line: {told:?}");
}
