//! "No line, no capabilities."
//!
//! task: 1
//! test: task1_one_that_is_missing_is_refused
//! says: a set that is missing was taken for an empty one

let set = |name: &str| {
    let Some(line) = status.lines().find_map(|line| line.strip_prefix(name)) else { return Ok(CapSet::EMPTY) };
    let bits = u64::from_str_radix(line.trim(), 16).ok();
    bits.map(CapSet).ok_or_else(|| Error::invalid("/proc/PID/status", line, "a hexadecimal number"))
};
Ok(CapSets {
    inheritable: set("CapInh:")?,
    permitted: set("CapPrm:")?,
    effective: set("CapEff:")?,
    bounding: set("CapBnd:")?,
    ambient: set("CapAmb:")?,
})
