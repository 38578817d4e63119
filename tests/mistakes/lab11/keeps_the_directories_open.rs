//! "As long as it is open, it is allowed."
//!
//! task: 7
//! test: task7_no_descriptor_is_left
//! says: the rules stay when both are closed

let writing = AccessFs::from_write(ABI::V3);
for directory in directories {
    std::mem::forget(std::fs::File::open(directory).during("open", directory.display())?);
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
