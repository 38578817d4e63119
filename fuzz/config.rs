//! What holds for every text that is given as a `config.json`: it is refused in one line, or its plan is one that can be carried out
//! inside a container and nowhere else.

use std::path::{Component, Path};

use model::plan::{Mount, Plan};
use model::{Config, Error};

/// Panics when the text makes a plan that reaches out of its container, or two different ones.
pub fn check(text: &[u8]) {
    let spec = match Config::read(text) {
        Ok(Config { spec, warnings }) => {
            let are_lines = warnings.iter().all(|warning| !warning.contains(char::is_control));
            assert!(are_lines, "not a line each: {warnings:?}");
            spec
        }
        Err(error) => return is_one_line(&error),
    };
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plan = match Plan::from_spec("fuzzed", &spec, bundle) {
        Ok(plan) => plan,
        Err(error) => return is_one_line(&error),
    };
    assert_eq!(Plan::from_spec("fuzzed", &spec, bundle).ok().as_ref(), Some(&plan), "another plan of the same text");
    for at in plan.mounts.iter().map(Mount::at).chain(plan.devices.iter().map(|device| device.at.as_path())) {
        assert!(is_inside(at), "{} is no place in a container", at.display());
    }
    for at in plan.masked_paths.iter().chain(&plan.read_only_paths) {
        assert!(is_inside(at), "{} is no place in a container", at.display());
    }
    for sysctl in &plan.sysctls {
        let names: Vec<&str> = sysctl.path.split('/').collect();
        let is_a_namespaces = ["net", "user", "fs", "kernel"].contains(&names[0]) && names.len() > 1;
        assert!(is_a_namespaces && names.iter().all(|name| !["", ".", ".."].contains(name)), "{sysctl:?}");
    }
    if let Some(path) = &plan.cgroup_path {
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{}", path.display());
    }
    for (knob, _) in &plan.resources.unified {
        assert!(!knob.contains('/'), "{knob}");
    }
    for limit in &plan.rlimits {
        assert!(limit.soft <= limit.hard, "{limit:?}");
    }
    let needs_mounts = plan.rootfs.is_some() || !plan.mounts.is_empty() || plan.read_only_root;
    let has_own = plan.new_mnt || plan.joins.iter().any(|join| join.kind == model::NsKind::Mnt);
    assert!(has_own || !needs_mounts, "the host's mounts would be changed");
    assert!(!plan.args.is_empty() && plan.cwd.is_absolute());
}

/// An absolute path that leads nowhere else, and is not `/`.
fn is_inside(path: &Path) -> bool {
    path.is_absolute() && path.parent().is_some() && path.components().all(|part| part != Component::ParentDir)
}

fn is_one_line(error: &Error) {
    assert_eq!(error.to_string().lines().count(), 1, "not one line: {error}");
    assert!(matches!(error, Error::Invalid { .. }), "not told by its place: {error}");
}
