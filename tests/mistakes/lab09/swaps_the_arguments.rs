//! "From whom to whom."
//!
//! task: 4
//! test: task4_own_id_and_a_range
//! says: the arguments are the PID, then inside, outside, count of each range

for (program, map) in [("newuidmap", &maps.uids), ("newgidmap", &maps.gids)] {
    let numbers = map.iter().flat_map(|range| [range.outside, range.inside, range.count]);
    let mut command = Command::new(program);
    command.arg(process.to_string()).args(numbers.map(|number| number.to_string()));
    let output = command.output().during("start", program)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(said)).during("map the ids with", program);
    }
}
Ok(())
