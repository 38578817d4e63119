//! "A number is a number."
//!
//! task: 1
//! test: task1_the_callers_own
//! says: the numbers are hexadecimal, and were read as decimal ones

let set = |name: &str| {
    let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    mask.parse().map(CapSet).map_err(|error| Error::invalid("/proc/PID/status", mask, format!("{error}")))
};
Ok(CapSets {
    inheritable: set("CapInh:")?,
    permitted: set("CapPrm:")?,
    effective: set("CapEff:")?,
    bounding: set("CapBnd:")?,
    ambient: set("CapAmb:")?,
})
