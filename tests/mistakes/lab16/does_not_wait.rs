//! "All is made, so it can run."
//!
//! task: 3
//! test: task3_the_maker_is_told_and_the_command_waits
//! says: until then the command has to wait

at.tell_the_maker()?;
at.run_hooks()
