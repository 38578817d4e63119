//! "A slave cannot send, so it is private enough."
//!
//! task: 2
//! test: task2_the_mount_and_those_below_it_follow_and_no_other_does
//! test: task2_mounts_travel_as_the_propagation_says
//! says: slave where private was asked

let steps: &[MsFlags] = match propagation {
    Propagation::Private | Propagation::Slave => &[MsFlags::MS_SLAVE],
    Propagation::Shared => &[MsFlags::MS_SHARED],
    Propagation::SharedSlave => &[MsFlags::MS_SLAVE, MsFlags::MS_SHARED],
    Propagation::Unbindable => &[MsFlags::MS_UNBINDABLE],
};
steps.iter().try_for_each(|&flag| {
    mount(None::<&str>, mount_point, None::<&str>, MsFlags::MS_REC | flag, None::<&str>)
        .during("mount", format_args!("{flag:?}"))
})
