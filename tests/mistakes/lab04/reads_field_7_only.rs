//! "Field 7 is the propagation."
//!
//! task: 3
//! test: task3_optional_fields_are_found_wherever_they_stand
//! says: were read by a fixed place

let here: Vec<Vec<&str>> = mountinfo
    .lines()
    .map(|line| line.split(' ').collect::<Vec<_>>())
    .filter(|fields| fields.len() > 6 && unescape(fields[4]) == mount_point.as_os_str().as_bytes())
    .collect();
let topmost = here
    .iter()
    .find(|mount| here.iter().all(|other| other[1] != mount[0]))
    .ok_or_else(|| Error::invalid("mount point", mount_point.display().to_string(), "something is mounted there"))?;
Ok(match topmost[6].split(':').next() {
    Some("shared") if topmost[7].starts_with("master:") => Propagation::SharedSlave,
    Some("shared") => Propagation::Shared,
    Some("master") => Propagation::Slave,
    Some("unbindable") => Propagation::Unbindable,
    _ => Propagation::Private,
})
