//! "There is a /proc already: show it here too." It is the one of the parent's PID namespace.
//!
//! task: 4
//! test: task4_the_new_proc_shows_the_pid_namespace_of_the_caller
//! says: this is an old proc, of the parent's PID namespace

mount(Some("/proc"), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).during("mount proc on", target.display())
