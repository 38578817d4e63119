//! "The newest mount is on top, and the newest stands last."
//!
//! task: 3
//! test: task3_of_stacked_mounts_the_topmost_counts
//! says: the last of several lines

let fields = mountinfo
    .lines()
    .map(|line| line.split(' ').collect::<Vec<_>>())
    .rfind(|fields| fields.len() > 6 && unescape(fields[4]) == mount_point.as_os_str().as_bytes())
    .ok_or_else(|| Error::invalid("mount point", mount_point.display().to_string(), "something is mounted there"))?;
let optional: Vec<&str> = fields.iter().skip(6).copied().take_while(|field| *field != "-").collect();
let has = |tag: &str| optional.iter().any(|field| field.starts_with(tag));
Ok(match (has("shared:"), has("master:")) {
    (true, true) => Propagation::SharedSlave,
    (true, false) => Propagation::Shared,
    (false, true) => Propagation::Slave,
    (false, false) if has("unbindable") => Propagation::Unbindable,
    (false, false) => Propagation::Private,
})
