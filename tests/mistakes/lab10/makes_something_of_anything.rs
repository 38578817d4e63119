//! "What is no number is 0."
//!
//! task: 1
//! test: task1_what_is_no_number_is_refused
//! says: something was made of what is no number of 64 bits

let set = |name: &str| {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let line = line.ok_or_else(|| Error::invalid("/proc/PID/status", name, "a line of that name"))?;
    Ok::<_, Error>(CapSet(u64::from_str_radix(line.trim(), 16).unwrap_or(0)))
};
Ok(CapSets {
    inheritable: set("CapInh:")?,
    permitted: set("CapPrm:")?,
    effective: set("CapEff:")?,
    bounding: set("CapBnd:")?,
    ambient: set("CapAmb:")?,
})
