//! "If the line says shared:, it is shared."
//!
//! task: 3
//! test: task3_only_the_optional_fields_count
//! says: the whole line was searched

let here: Vec<Vec<&str>> = mountinfo
    .lines()
    .map(|line| line.split(' ').collect::<Vec<_>>())
    .filter(|fields| fields.len() > 6 && unescape(fields[4]) == mount_point.as_os_str().as_bytes())
    .collect();
let topmost = here
    .iter()
    .find(|mount| here.iter().all(|other| other[1] != mount[0]))
    .ok_or_else(|| Error::invalid("mount point", mount_point.display().to_string(), "something is mounted there"))?;
let has = |tag: &str| topmost.iter().any(|field| field.contains(tag));
Ok(match (has("shared:"), has("master:")) {
    (true, true) => Propagation::SharedSlave,
    (true, false) => Propagation::Shared,
    (false, true) => Propagation::Slave,
    (false, false) if has("unbindable") => Propagation::Unbindable,
    (false, false) => Propagation::Private,
})
