//! "It ran."
//!
//! task: 4
//! test: task4_what_newuidmap_says_is_in_the_error
//! says: its exit code was not looked at

for (program, map) in [("newuidmap", &maps.uids), ("newgidmap", &maps.gids)] {
    let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
    let mut command = Command::new(program);
    command.arg(process.to_string()).args(numbers.map(|number| number.to_string()));
    command.output().during("start", program)?;
}
Ok(())
