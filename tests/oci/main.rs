//! The configuration of an OCI container, held against the text of the OCI runtime specification: config.md and config-linux.md,
//! each test named after the clause that it checks. What the kernel says counts, from inside and from outside.

#[path = "../runbox/bundle.rs"]
#[allow(dead_code, reason = "shared with the tests of the commands, which use more of it")]
mod bundle;
mod cgroups;
mod damage;
mod mounts;
mod process;
mod refused;
mod root;
mod rootless;

use serde_json::{Value, json};

use bundle::{Bundle, Said};

/// A line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Options of the mount.
    pub options: Vec<String>,
    /// `shared:1`, `master:1`, `unbindable`.
    pub spread: Vec<String>,
    /// The file system.
    pub kind: String,
    /// Its source.
    pub source: String,
    /// Its options.
    pub data: Vec<String>,
}

impl Mounted {
    /// The mounts at `at`, the topmost last, in the text of a mountinfo. Source: proc_pid_mountinfo(5).
    pub fn all(mountinfo: &str, at: &str) -> Vec<Mounted> {
        let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let read = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            let end = fields.iter().position(|field| *field == "-")?;
            (fields[4] == at).then(|| Mounted {
                options: words(fields[5]),
                spread: fields[6..end].iter().map(ToString::to_string).collect(),
                kind: fields[end + 1].into(),
                source: fields[end + 2].into(),
                data: words(fields[end + 3]),
            })
        };
        mountinfo.lines().filter_map(read).collect()
    }

    /// The one at `at`.
    #[track_caller]
    pub fn at(mountinfo: &str, at: &str) -> Mounted {
        Self::all(mountinfo, at).pop().unwrap_or_else(|| panic!("nothing is mounted at {at}:\n{mountinfo}"))
    }

    /// Whether it has an option, or its file system has.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().chain(&self.data).any(|own| own == option)
    }
}

/// One whose container has more programs.
pub fn bundle() -> Bundle {
    let bundle = Bundle::new("true");
    testkit::Rootfs::build(bundle.path.join("rootfs"), &["cut", "head", "wc", "sort"]).unwrap();
    bundle
}

/// Adds a mount to a configuration.
pub fn mount(bundle: &mut Bundle, at: &str, kind: &str, source: &str, options: &[&str]) {
    let mount = json!({"destination": at, "type": kind, "source": source, "options": options});
    bundle.config["mounts"].as_array_mut().unwrap().push(mount);
}

/// What `script` prints in a container with this configuration.
#[track_caller]
pub fn prints(bundle: &mut Bundle, script: &str) -> String {
    bundle.config["process"]["args"] = json!(["sh", "-c", script]);
    bundle.run().ok().out
}

/// Its mounts.
#[track_caller]
pub fn mountinfo(bundle: &mut Bundle) -> String {
    prints(bundle, "cat /proc/self/mountinfo")
}

/// What is said of a configuration that is changed in one place, for the last time.
pub fn with(bundle: &mut Bundle, place: &str, value: Value) -> Said {
    let mut config = bundle.config.clone();
    let mut field = &mut config;
    for name in place.split('.') {
        field = &mut field[name];
    }
    *field = value;
    let usual = std::mem::replace(&mut bundle.config, config);
    let said = bundle.run();
    bundle.config = usual;
    said
}
