//! "Its defaults will be right."
//!
//! task: 7
//! test: task7_without_a_right_to_it
//! says: write_only_below() set it, or let the crate

let writing = AccessFs::from_write(ABI::V3);
for directory in directories {
    std::fs::metadata(directory).during("open", directory.display())?;
}
let restricted = Ruleset::default()
    .handle_access(writing)
    .and_then(|ruleset| ruleset.create())
    .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(directories, writing)))
    .and_then(|ruleset| ruleset.restrict_self());
let status = restricted.map_err(std::io::Error::other).during("landlock", format_args!("{directories:?}"))?;
match status.ruleset {
    RulesetStatus::NotEnforced => Err(Errno::EOPNOTSUPP).during("landlock", "this kernel"),
    _ => Ok(()),
}
