//! "What is not there cannot be written."
//!
//! task: 7
//! test: task7_a_directory_that_is_missing_is_reported
//! says: passes over what it cannot open

let writing = AccessFs::from_write(ABI::V3);
let restricted = Ruleset::default()
    .handle_access(writing)
    .and_then(|ruleset| ruleset.create())
    .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(directories, writing)))
    .and_then(|ruleset| ruleset.no_new_privs(false).restrict_self());
let status = restricted.map_err(std::io::Error::other).during("landlock", format_args!("{directories:?}"))?;
match status.ruleset {
    RulesetStatus::NotEnforced => Err(Errno::EOPNOTSUPP).during("landlock", "this kernel"),
    _ => Ok(()),
}
