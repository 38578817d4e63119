//! "The code says it all."
//!
//! task: 4
//! test: task4_what_newuidmap_says_is_in_the_error
//! says: its words went to standard error, where nobody reads them

for (program, map) in [("newuidmap", &maps.uids), ("newgidmap", &maps.gids)] {
    let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
    let mut command = Command::new(program);
    command.arg(process.to_string()).args(numbers.map(|number| number.to_string()));
    let status = command.status().during("start", program)?;
    if !status.success() {
        return Err(io::Error::other(status.to_string())).during("map the ids with", program);
    }
}
Ok(())
