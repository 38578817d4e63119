//! "Landlock is Landlock."
//!
//! task: 7
//! test: task7_files_move_between_directories_below
//! says: LANDLOCK_ACCESS_FS_REFER, since its second version

let writing = AccessFs::from_write(ABI::V1);
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
