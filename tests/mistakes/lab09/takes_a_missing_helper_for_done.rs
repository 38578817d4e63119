//! "Not installed, not needed."
//!
//! task: 4
//! test: task4_a_helper_that_is_missing_is_reported
//! says: that it could not be started was thrown away

for (program, map) in [("newuidmap", &maps.uids), ("newgidmap", &maps.gids)] {
    let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
    let mut command = Command::new(program);
    command.arg(process.to_string()).args(numbers.map(|number| number.to_string()));
    let Ok(output) = command.output() else { continue };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(said)).during("map the ids with", program);
    }
}
Ok(())
