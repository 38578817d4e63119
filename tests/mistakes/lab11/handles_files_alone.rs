//! "Writing is writing to a file."
//!
//! task: 7
//! test: task7_below_is_written_and_elsewhere_not
//! says: it was allowed to make a directory

let writing = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::Refer;
for directory in directories {
    std::fs::metadata(directory).during("open", directory.display())?;
}
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
