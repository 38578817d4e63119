//! "The manual says to deny it first."
//!
//! task: 4
//! test: task4_setgroups_stays_allowed
//! says: it was denied here as for a single id

let setgroups = format!("/proc/{process}/setgroups");
fs::write(&setgroups, "deny").during("write", setgroups)?;
for (program, map) in [("newuidmap", &maps.uids), ("newgidmap", &maps.gids)] {
    let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
    let mut command = Command::new(program);
    command.arg(process.to_string()).args(numbers.map(|number| number.to_string()));
    let output = command.output().during("start", program)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(said)).during("map the ids with", program);
    }
}
Ok(())
