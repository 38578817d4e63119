//! "They are flags, so `|` joins them."
//!
//! task: 2
//! test: task2_the_mount_and_those_below_it_follow_and_no_other_does
//! says: one propagation flag a call

let flags = match propagation {
    Propagation::Private => MsFlags::MS_PRIVATE,
    Propagation::Slave => MsFlags::MS_SLAVE,
    Propagation::Shared => MsFlags::MS_SHARED,
    Propagation::SharedSlave => MsFlags::MS_SLAVE | MsFlags::MS_SHARED,
    Propagation::Unbindable => MsFlags::MS_UNBINDABLE,
};
mount(None::<&str>, mount_point, None::<&str>, MsFlags::MS_REC | flags, None::<&str>)
    .during("mount", mount_point.display())
