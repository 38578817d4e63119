//! On directories that only look like groups: the handle never asks the kernel more than a file system can tell.

use std::fs;

use super::*;

/// A directory with these files in it, `name` and text.
fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn open(directories: &[&tempfile::TempDir]) -> Cgroup {
    Cgroup::open(&directories.iter().map(|directory| directory.path().to_owned()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_hybrid_machine_has_each_controller_where_its_knobs_are() {
    let unified = group(&[("cgroup.controllers", "memory pids\n"), ("memory.max", "max\n"), ("cgroup.procs", "")]);
    let cpu = group(&[("cpu.shares", "1024\n"), ("cpu.cfs_quota_us", "-1\n"), ("cgroup.procs", "")]);
    let both = open(&[&unified, &cpu]);
    assert_eq!(both.version("cpu").unwrap(), Version::V1);
    assert_eq!(both.version("memory").unwrap(), Version::V2);
    both.write("cpu.shares", 512).unwrap();
    assert_eq!(fs::read_to_string(cpu.path().join("cpu.shares")).unwrap(), "512");
    assert_eq!(both.read("memory.max").unwrap(), "max\n");
}

#[test]
fn a_frozen_controller_is_built_into_v2_unless_v1_has_it() {
    let unified = group(&[("cgroup.controllers", ""), ("cgroup.freeze", "0")]);
    assert_eq!(open(&[&unified]).version("freezer").unwrap(), Version::V2);
    let freezer = group(&[("freezer.state", "THAWED")]);
    assert_eq!(open(&[&unified, &freezer]).version("freezer").unwrap(), Version::V1);
}

#[test]
fn what_begins_with_cgroup_is_asked_of_v2_first() {
    let unified = group(&[("cgroup.controllers", ""), ("cgroup.freeze", "0"), ("cgroup.procs", "2\n")]);
    let memory = group(&[("memory.limit_in_bytes", "0"), ("cgroup.procs", "1\n")]);
    let both = open(&[&memory, &unified]);
    both.write("cgroup.freeze", 1).unwrap();
    assert_eq!(both.read("cgroup.freeze").unwrap(), "1");
    assert_eq!(open(&[&memory]).read("cgroup.procs").unwrap(), "1\n");
}

#[test]
fn a_missing_controller_is_named_with_what_to_do() {
    let unified = group(&[("cgroup.controllers", "cpu\n")]);
    let refused = open(&[&unified]).write("memory.max", 1).unwrap_err().to_string();
    assert!(refused.contains("controller memory") && refused.contains("echo +memory > "), "{refused}");
    let nowhere = Cgroup::open(&[]).unwrap().write("pids.max", 1).unwrap_err().to_string();
    assert!(nowhere.contains("Delegate=yes"), "{nowhere}");
}

#[test]
fn a_missing_knob_is_named_and_never_made() {
    let memory = group(&[("memory.limit_in_bytes", "0")]);
    let handle = open(&[&memory]);
    let refused = handle.write("memory.memsw.limit_in_bytes", 1).unwrap_err().to_string();
    assert!(refused.contains("memory.memsw.limit_in_bytes") && refused.contains("has no such knob"), "{refused}");
    assert!(!memory.path().join("memory.memsw.limit_in_bytes").exists());
}

#[test]
fn knobs_are_opened_in_the_directory_that_was_opened() {
    let outer = tempfile::tempdir().unwrap();
    let here = outer.path().join("here");
    fs::create_dir(&here).unwrap();
    fs::write(here.join("pids.max"), "max").unwrap();
    let handle = Cgroup::open(std::slice::from_ref(&here)).unwrap();
    fs::rename(&here, outer.path().join("moved")).unwrap();
    fs::create_dir(&here).unwrap();
    fs::write(here.join("pids.max"), "not this one").unwrap();
    handle.write("pids.max", 7).unwrap();
    assert_eq!(fs::read_to_string(outer.path().join("moved/pids.max")).unwrap(), "7");
    assert_eq!(fs::read_to_string(here.join("pids.max")).unwrap(), "not this one");
}

#[test]
fn the_parent_of_a_group_ends_at_the_top() {
    let outer = tempfile::tempdir().unwrap();
    let (top, child) = (outer.path().join("top"), outer.path().join("top/child"));
    fs::create_dir_all(&child).unwrap();
    for group in [&top, &child] {
        fs::write(group.join("cgroup.procs"), "").unwrap();
    }
    let handle = Cgroup::open(&[child]).unwrap();
    let parent = handle.parts()[0].parent().unwrap().unwrap();
    assert_eq!(parent.path(), top);
    assert!(parent.parent().unwrap().is_none());
    assert_eq!(parent.children().unwrap().len(), 1);
}

#[test]
fn the_root_of_a_namespace_is_not_the_top() {
    // No group above is in sight of any of these.
    for (files, is_top) in [
        (&[("cgroup.controllers", ""), ("cgroup.procs", "")][..], true),
        (&[("cgroup.controllers", ""), ("cgroup.procs", ""), ("cgroup.type", "domain\n")], false),
        (&[("cgroup.procs", ""), ("release_agent", "")], true),
        (&[("cgroup.procs", "")], false),
    ] {
        assert_eq!(open(&[&group(files)]).parts()[0].is_top(), is_top, "{files:?}");
    }
}

#[test]
fn to_kill_is_to_thaw_first_and_what_is_gone_has_nobody() {
    let freezer = group(&[("freezer.state", "FROZEN"), ("cgroup.procs", "")]);
    fs::create_dir(freezer.path().join("below")).unwrap();
    fs::write(freezer.path().join("below/freezer.state"), "FROZEN").unwrap();
    let handle = open(&[&freezer]);
    handle.kill().unwrap();
    for knob in ["freezer.state", "below/freezer.state"] {
        assert_eq!(fs::read_to_string(freezer.path().join(knob)).unwrap(), "THAWED");
    }
    drop(freezer);
    handle.kill().unwrap();
}
