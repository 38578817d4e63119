//! config-linux.md, "Control groups".

use std::fs;
use std::path::PathBuf;

use model::Cgroup;
use model::cgroup::{Version, hierarchies};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde_json::{Value, json};
use testkit::{Shield, cgroup_dirs, needs, random_name};

use super::bundle::Bundle;
use super::{bundle, with};

/// A container that waits, and is gone in the end.
struct Waiting<'a> {
    bundle: &'a Bundle,
    pid: String,
}

impl Waiting<'_> {
    #[track_caller]
    fn new(bundle: &mut Bundle) -> Waiting<'_> {
        bundle.config["process"]["args"] = json!(["sleep", "600"]);
        bundle.create().ok();
        bundle.tell("start").ok();
        let pid = bundle.state()["pid"].to_string();
        Waiting { bundle, pid }
    }

    /// Its group in each hierarchy.
    fn groups(&self) -> Vec<(Version, PathBuf)> {
        let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap();
        let all = hierarchies(&cgroup, &fs::read_to_string("/proc/self/mountinfo").unwrap());
        all.into_iter().map(|hierarchy| (hierarchy.version, hierarchy.own)).collect()
    }

    /// A knob of its group, without the end of the line.
    #[track_caller]
    fn knob(&self, name: &str) -> String {
        let text = self.groups().iter().find_map(|(_, path)| fs::read_to_string(path.join(name)).ok());
        text.unwrap_or_else(|| panic!("no group has {name}")).trim().to_owned()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.bundle.runbox(&["delete", "--force", &self.bundle.id]);
    }
}

fn is_v1(controller: &str) -> bool {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let all = hierarchies(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
    all.iter().any(|hierarchy| hierarchy.controllers.iter().any(|own| own == controller))
}

fn resources(bundle: &mut Bundle, resources: Value) {
    bundle.config["linux"]["resources"] = resources;
}

#[test]
fn the_path_of_the_group_is_what_is_asked_for() {
    needs!(root);
    Shield::new().cgroup().run(|| {
        for (path, is) in [
            ("/NAME/one", "NAME/one"),
            ("NAME/two", "NAME/two"),
            ("NAME.slice:box:three", "NAME.slice/box-three.scope"),
            ("/NAME/one", "NAME/one"),
        ] {
            let mut bundle = bundle();
            let name = random_name("group").replace('-', "_");
            let is = is.replace("NAME", &name);
            bundle.config["linux"]["cgroupsPath"] = json!(path.replace("NAME", &name));
            let waiting = Waiting::new(&mut bundle);
            let groups = waiting.groups();
            assert!(groups.iter().all(|(_, group)| group.ends_with(&is)), "{path}: {groups:?}");
            drop(waiting);
            for (_, group) in groups {
                assert!(!group.exists(), "{} is left", group.display());
                fs::remove_dir(group.parent().unwrap()).unwrap();
            }
        }
        with(&mut bundle(), "linux.cgroupsPath", json!("/a/../b")).refused("linux.cgroupsPath");
    });
}

#[test]
fn a_group_with_somebody_in_it_is_not_taken() {
    needs!(root);
    Shield::new().cgroup().run(|| {
        let (mut one, mut other) = (bundle(), bundle());
        let path = json!(format!("/{}", random_name("group")));
        one.config["linux"]["cgroupsPath"] = path.clone();
        other.config["linux"]["cgroupsPath"] = path;
        let waiting = Waiting::new(&mut one);
        other.create().refused("another container's cgroup");
        assert!(waiting.groups().iter().all(|(_, group)| group.exists()), "the first one's is as it was");
    });
}

/// Who moves into a group of v2 waits for all processors, up to 20 ms. The kernel tells of each write to a knob.
#[test]
fn nobody_moves_into_a_group_of_v2() {
    needs!(root, cgroup_v2);
    Shield::new().cgroup().run(|| {
        let name = random_name("group");
        let group = cgroup_dirs().into_iter().find(|group| group.join("cgroup.controllers").exists());
        let group = group.expect("a group of v2").join(&name);
        fs::create_dir(&group).unwrap();
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).unwrap();
        watch.add_watch(&group.join("cgroup.procs"), AddWatchFlags::IN_MODIFY).unwrap();
        let mut bundle = bundle();
        bundle.config["linux"]["cgroupsPath"] = json!(format!("/{name}"));
        let waiting = Waiting::new(&mut bundle);
        assert_eq!(fs::read_to_string(group.join("cgroup.procs")).unwrap().trim(), waiting.pid);
        assert!(watch.read_events().is_err_and(|errno| errno == Errno::EAGAIN), "it was born there");
        fs::write(group.join("cgroup.procs"), &waiting.pid).unwrap();
        assert!(watch.read_events().is_ok_and(|told| !told.is_empty()), "a move is told");
    });
}

#[test]
fn processor_time_is_limited() {
    needs!(root, cgroup = cpu, cgroup = cpuset);
    Shield::new().cgroup().run(|| {
        let mut bundle = bundle();
        resources(
            &mut bundle,
            json!({"cpu": {"shares": 2048, "quota": 50_000, "period": 100_000, "cpus": "0", "mems": "0", "burst": 10_000}}),
        );
        let waiting = Waiting::new(&mut bundle);
        assert_eq!(waiting.knob("cpuset.cpus"), "0");
        if is_v1("cpu") {
            assert_eq!(waiting.knob("cpu.shares"), "2048");
            assert_eq!(waiting.knob("cpu.cfs_quota_us"), "50000");
            assert_eq!(waiting.knob("cpu.cfs_burst_us"), "10000");
        } else {
            assert_eq!(waiting.knob("cpu.max"), "50000 100000");
            assert_eq!(waiting.knob("cpu.max.burst"), "10000");
        }
        drop(waiting);
        resources(&mut bundle, json!({"cpu": {"idle": 1}}));
        assert_eq!(Waiting::new(&mut bundle).knob("cpu.idle"), "1");
        with(&mut bundle, "linux.resources.cpu.idle", json!(2)).refused("linux.resources.cpu.idle \"2\" is not valid: 0 or 1");
    });
}

#[test]
fn memory_is_limited() {
    needs!(root, cgroup = memory);
    Shield::new().cgroup().run(|| {
        let mut bundle = bundle();
        let (limit, swap, reservation) = (64 << 20, 96 << 20, 32 << 20);
        let memory = json!({"limit": limit, "swap": swap, "reservation": reservation, "checkBeforeUpdate": true, "kernel": -1,
            "useHierarchy": true});
        resources(&mut bundle, json!({"memory": memory, "pids": {"limit": 77}}));
        let waiting = Waiting::new(&mut bundle);
        assert_eq!(waiting.knob("pids.max"), "77");
        let names = if is_v1("memory") {
            ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"]
        } else {
            ["memory.max", "memory.swap.max", "memory.low"]
        };
        let swap = if is_v1("memory") { swap } else { swap - limit };
        assert_eq!(names.map(|name| waiting.knob(name)), [limit, swap, reservation].map(|bytes| bytes.to_string()));
        drop(waiting);
        resources(&mut bundle, json!({"memory": {"swappiness": 33, "disableOOMKiller": true, "kernelTCP": 8 << 20}}));
        if is_v1("memory") {
            let waiting = Waiting::new(&mut bundle);
            assert_eq!(waiting.knob("memory.swappiness"), "33");
            assert_eq!(waiting.knob("memory.kmem.tcp.limit_in_bytes"), (8 << 20).to_string());
            assert!(waiting.knob("memory.oom_control").contains("oom_kill_disable 1"));
        } else {
            bundle.run().refused("linux.resources.memory.swappiness \"33\" is not valid: none: cgroup v2");
        }
        let much = json!({"memory": {"swappiness": 101}});
        with(&mut bundle, "linux.resources", much).refused("0 to 100");
    });
}

#[test]
fn block_devices_are_limited() {
    needs!(root);
    Shield::new().cgroup().run(|| {
        let mut bundle = bundle();
        // A RAM disk or a loop device: any that is there.
        let number = fs::read_dir("/sys/block").unwrap().flatten().find_map(|entry| {
            let number = fs::read_to_string(entry.path().join("dev")).ok()?;
            let (major, minor) = number.trim().split_once(':')?;
            Some((major.parse::<i64>().ok()?, minor.parse::<i64>().ok()?))
        });
        let has = |controller| Cgroup::base().unwrap().version(controller).is_ok();
        let Some((major, minor)) = number.filter(|_| has("blkio") || has("io")) else {
            return testkit::needs::skip(module_path!(), "a block device and a controller for it");
        };
        let limit = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
        resources(
            &mut bundle,
            json!({"blockIO": {
                "throttleReadBpsDevice": limit(1 << 20), "throttleWriteBpsDevice": limit(2 << 20),
                "throttleReadIOPSDevice": limit(300), "throttleWriteIOPSDevice": limit(400),
            }}),
        );
        let waiting = Waiting::new(&mut bundle);
        if is_v1("blkio") {
            for (knob, rate) in [("read_bps", 1 << 20), ("write_bps", 2 << 20), ("read_iops", 300), ("write_iops", 400)]
            {
                let seen = waiting.knob(&format!("blkio.throttle.{knob}_device"));
                assert_eq!(seen, format!("{major}:{minor} {rate}"), "{knob}");
            }
        } else {
            assert_eq!(
                waiting.knob("io.max"),
                format!("{major}:{minor} rbps=1048576 wbps=2097152 riops=300 wiops=400")
            );
        }
        drop(waiting);
        let bad = json!({"blockIO": {"weightDevice": [{"major": major, "minor": minor, "weight": 5}]}});
        with(&mut bundle, "linux.resources", bad)
            .refused("linux.resources.blockIO.weightDevice \"5\" is not valid: 10 to 1000");
        let leaf = json!({"blockIO": {"leafWeight": 500}});
        with(&mut bundle, "linux.resources", leaf).refused("leaf");
    });
}

#[test]
fn a_controller_that_is_not_here_is_told_and_nothing_is_started() {
    needs!(root);
    Shield::new().cgroup().run(|| {
        let mut bundle = bundle();
        let cases = [
            (json!({"network": {"classID": 7}}), "net_cls", "linux.resources.network.classID"),
            (json!({"network": {"priorities": [{"name": "lo", "priority": 3}]}}), "net_prio", "network.priorities"),
            (json!({"rdma": {"mlx5_1": {"hcaHandles": 3}}}), "rdma", "rdma"),
            (json!({"unified": {"nothing.max": "1"}}), "nothing", "nothing.max"),
        ];
        for (limit, controller, words) in cases {
            if Cgroup::base().unwrap().version(controller).is_err() {
                with(&mut bundle, "linux.resources", limit).refused(words);
            }
        }
        for (limit, words) in [
            (json!({"hugepageLimits": [{"pageSize": "2M", "limit": 0}]}), "a page size such as"),
            (json!({"unified": {"../x": "1"}}), "linux.resources.unified"),
            (json!({"rdma": {"a b": {"hcaHandles": 3}}}), "a device's name"),
            (json!({"rdma": {"a": {}}}), "hcaHandles or hcaObjects"),
            (json!({"devices": [{"allow": true, "type": "p"}]}), "resources.devices"),
        ] {
            with(&mut bundle, "linux.resources", limit).refused(words);
        }
    });
}

#[test]
fn huge_pages_are_limited_reserved_ones_too() {
    needs!(root, cgroup = hugetlb);
    Shield::new().cgroup().run(|| {
        let mut bundle = bundle();
        resources(&mut bundle, json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]}));
        let waiting = Waiting::new(&mut bundle);
        let end = if is_v1("hugetlb") { "limit_in_bytes" } else { "max" };
        for middle in ["", ".rsvd"] {
            assert_eq!(waiting.knob(&format!("hugetlb.2MB{middle}.{end}")), (4 << 20).to_string());
        }
    });
}

#[test]
fn unified_writes_the_knobs_of_v2_by_their_names() {
    needs!(root, cgroup = hugetlb);
    Shield::new().cgroup().run(|| {
        let mut bundle = bundle();
        if is_v1("hugetlb") {
            with(&mut bundle, "linux.resources", json!({"unified": {"hugetlb.2MB.max": "1"}})).refused("hugetlb");
            return;
        }
        resources(&mut bundle, json!({"unified": {"hugetlb.2MB.max": "6291456", "cgroup.max.depth": "3"}}));
        let waiting = Waiting::new(&mut bundle);
        assert_eq!(waiting.knob("hugetlb.2MB.max"), "6291456");
        assert_eq!(waiting.knob("cgroup.max.depth"), "3");
    });
}

#[test]
fn devices_are_ruled_in_the_listed_order() {
    needs!(root, cgroup = devices);
    Shield::new().cgroup().run(|| {
        let mut bundle = bundle();
        bundle.config["process"]["capabilities"]["effective"] = json!(["CAP_MKNOD"]);
        bundle.config["process"]["capabilities"]["permitted"] = json!(["CAP_MKNOD"]);
        bundle.config["process"]["capabilities"]["bounding"] = json!(["CAP_MKNOD"]);
        bundle.config["linux"]["devices"] = json!([
            {"path": "/kmsg", "type": "c", "major": 1, "minor": 11},
            {"path": "/mem", "type": "c", "major": 1, "minor": 1},
        ]);
        resources(
            &mut bundle,
            json!({"devices": [
                {"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "w"},
            ]}),
        );
        let script = "(: > /kmsg) 2>/dev/null && echo written; (: < /kmsg) 2>/dev/null || echo not read; \
                      (: < /mem) 2>/dev/null || echo nor this; head -c 1 /dev/zero | wc -c";
        let seen = super::prints(&mut bundle, script);
        assert_eq!(seen, "written\nnot read\nnor this\n1\n");
    });
}
