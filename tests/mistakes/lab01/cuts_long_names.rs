//! "The limit is 64, so I pass at most 64."
//!
//! task: 2
//! test: task2_a_name_of_64_bytes_fits_and_of_65_does_not
//! says: half a name is worse than an error

sethostname(&name[..name.len().min(64)]).during("sethostname", name)
