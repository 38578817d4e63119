//! "Everything hangs below /, so / it is."
//!
//! task: 2
//! test: task2_the_mount_and_those_below_it_follow_and_no_other_does
//! says: the path was not used

let _ = mount_point;
let steps: &[MsFlags] = match propagation {
    Propagation::Private => &[MsFlags::MS_PRIVATE],
    Propagation::Slave => &[MsFlags::MS_SLAVE],
    Propagation::Shared => &[MsFlags::MS_SHARED],
    Propagation::SharedSlave => &[MsFlags::MS_SLAVE, MsFlags::MS_SHARED],
    Propagation::Unbindable => &[MsFlags::MS_UNBINDABLE],
};
steps.iter().try_for_each(|&flag| {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | flag, None::<&str>).during("mount", "/")
})
