//! "A path is a path."
//!
//! task: 3
//! test: task3_escaped_paths_are_read_back
//! says: the field was compared as it is written

let here: Vec<Vec<&str>> = mountinfo
    .lines()
    .map(|line| line.split(' ').collect::<Vec<_>>())
    .filter(|fields| fields.len() > 6 && fields[4].as_bytes() == mount_point.as_os_str().as_bytes())
    .collect();
let topmost = here
    .iter()
    .find(|mount| here.iter().all(|other| other[1] != mount[0]))
    .ok_or_else(|| Error::invalid("mount point", mount_point.display().to_string(), "something is mounted there"))?;
let optional: Vec<&str> = topmost.iter().skip(6).copied().take_while(|field| *field != "-").collect();
let has = |tag: &str| optional.iter().any(|field| field.starts_with(tag));
Ok(match (has("shared:"), has("master:")) {
    (true, true) => Propagation::SharedSlave,
    (true, false) => Propagation::Shared,
    (false, true) => Propagation::Slave,
    (false, false) if has("unbindable") => Propagation::Unbindable,
    (false, false) => Propagation::Private,
})
