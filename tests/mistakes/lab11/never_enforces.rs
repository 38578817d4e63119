//! "The rules are made."
//!
//! task: 7
//! test: task7_below_is_written_and_elsewhere_not
//! says: a ruleset counts from landlock_restrict_self(2) on

let writing = AccessFs::from_write(ABI::V3);
for directory in directories {
    std::fs::metadata(directory).during("open", directory.display())?;
}
let made = Ruleset::default()
    .handle_access(writing)
    .and_then(|ruleset| ruleset.create())
    .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(directories, writing)));
let _status = RulesetStatus::FullyEnforced;
made.map(drop).map_err(std::io::Error::other).during("landlock", format_args!("{directories:?}"))
