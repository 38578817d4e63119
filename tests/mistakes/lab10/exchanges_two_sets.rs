//! "Permitted is what it may do."
//!
//! task: 1
//! test: task1_five_masks_of_64_bits
//! says: a set has another one's mask: each is called by its own name

let set = |name: &str| {
    let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let bits = u64::from_str_radix(mask, 16).ok();
    bits.map(CapSet).ok_or_else(|| Error::invalid("/proc/PID/status", mask, "a number"))
};
Ok(CapSets {
    inheritable: set("CapInh:")?,
    permitted: set("CapEff:")?,
    effective: set("CapPrm:")?,
    bounding: set("CapBnd:")?,
    ambient: set("CapAmb:")?,
})
