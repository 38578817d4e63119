//! "Capabilities are bits of an int."
//!
//! task: 1
//! test: task1_five_masks_of_64_bits
//! test: task1_the_callers_own
//! says: 32 bits are not enough: a set has 64, and CAP_BPF is number 39

let set = |name: &str| {
    let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let bits = mask.get(mask.len().saturating_sub(8)..).and_then(|mask| u32::from_str_radix(mask, 16).ok());
    bits.map(|bits| CapSet(bits.into())).ok_or_else(|| Error::invalid("/proc/PID/status", mask, "a number"))
};
Ok(CapSets {
    inheritable: set("CapInh:")?,
    permitted: set("CapPrm:")?,
    effective: set("CapEff:")?,
    bounding: set("CapBnd:")?,
    ambient: set("CapAmb:")?,
})
