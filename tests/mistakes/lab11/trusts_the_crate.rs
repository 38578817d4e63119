//! "restrict_self() said Ok."
//!
//! task: 7
//! test: task7_a_kernel_without_it_is_an_error
//! says: the crate does what the kernel can do, which may be nothing

let writing = AccessFs::from_write(ABI::V3);
for directory in directories {
    std::fs::metadata(directory).during("open", directory.display())?;
}
let restricted = Ruleset::default()
    .handle_access(writing)
    .and_then(|ruleset| ruleset.create())
    .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(directories, writing)))
    .and_then(|ruleset| ruleset.no_new_privs(false).restrict_self());
let _status = restricted.map_err(std::io::Error::other).during("landlock", format_args!("{directories:?}"))?;
let _ = RulesetStatus::NotEnforced;
Ok(())
