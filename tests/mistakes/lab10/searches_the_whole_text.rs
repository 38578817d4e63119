//! "CapEff: is nowhere else."
//!
//! task: 1
//! test: task1_a_process_may_be_called_like_a_set
//! says: the name was looked for in the whole text: a line begins with it

let set = |name: &str| {
    let mask = status.split(name).nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default().trim();
    let bits = u64::from_str_radix(mask, 16).ok();
    bits.map(CapSet).ok_or_else(|| Error::invalid("/proc/PID/status", mask, "a hexadecimal number"))
};
Ok(CapSets {
    inheritable: set("CapInh:")?,
    permitted: set("CapPrm:")?,
    effective: set("CapEff:")?,
    bounding: set("CapBnd:")?,
    ambient: set("CapAmb:")?,
})
