//! config.md, "Specification version", "Valid values", "Platform-specific configuration"; config-linux.md: what is refused, and how.

use serde_json::json;
use testkit::{needs, shielded};

use super::{bundle, with};

#[test]
fn what_cannot_be_done_here_is_refused_in_a_line_and_nothing_is_left() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        for (place, value, words) in [
            ("ociVersion", json!("2.0.0"), "ociVersion \"2.0.0\" is not valid"),
            ("ociVersion", json!("latest"), "ociVersion \"latest\""),
            ("vm", json!({"kernel": {"path": "/vmlinuz"}}), "vm \"a virtual machine\""),
            ("annotations", json!({"": "x"}), "annotations \"\""),
            ("linux.intelRdt", json!({"closID": "a"}), "linux.intelRdt"),
            ("linux.netDevices", json!({"eth0": {"name": "a"}}), "linux.netDevices \"eth0\""),
            ("linux.uidMappings", json!([{"containerID": 0, "hostID": 0, "size": 1}]), "used with a user namespace"),
            ("process.args", json!([]), "process.args"),
            ("process.env", json!(["novalue"]), "process.env"),
            ("root.path", json!("no/such"), "root.path"),
            ("mounts", json!([{"destination": "/a", "type": "bind", "options": ["rbind"]}]), "mounts.source"),
        ] {
            let said = with(&mut bundle, place, value);
            assert_eq!(said.err.trim_end().lines().count(), 1, "{place}: {}", said.err);
            said.refused(words);
        }
    });
}

#[test]
fn every_version_1_and_unknown_properties_are_accepted() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        for version in ["1.0.0", "1.0.2-dev", "1.1.0", "1.2.0", "1.2.1", "1.3.0"] {
            with(&mut bundle, "ociVersion", json!(version)).ok();
        }
        with(&mut bundle, "future", json!({"is": "bright"})).ok();
        let said = with(&mut bundle, "windows", json!({"layerFolders": []})).ok();
        assert!(said.err.contains("windows is for another platform"), "{}", said.err);
    });
}
