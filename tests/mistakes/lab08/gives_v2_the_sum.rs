//! "Memory and swap, as the flag says."
//!
//! task: 1
//! test: task1_v2_counts_swap_alone
//! says: v2 counts swap alone: memory has to be taken off

let limit = memory.limit_bytes;
let with_swap = memory.with_swap_bytes.or(limit.map(|bytes| bytes.saturating_mul(2).max(-1)));
let max = |bytes: i64| if bytes < 0 { "max".to_owned() } else { bytes.to_string() };
let mut knobs = Vec::new();
match version {
    Version::V1 => {
        knobs.extend(limit.map(|bytes| Knob::new("memory.limit_in_bytes", bytes)));
        knobs.extend(with_swap.map(|bytes| Knob::new("memory.memsw.limit_in_bytes", bytes)));
        knobs.extend(memory.reservation_bytes.map(|bytes| Knob::new("memory.soft_limit_in_bytes", bytes)));
    }
    Version::V2 => {
        let swap = with_swap.map(|bytes| if bytes < 0 { -1 } else { bytes });
        knobs.extend(limit.map(|bytes| Knob::new("memory.max", max(bytes))));
        knobs.extend(swap.map(|bytes| Knob::new("memory.swap.max", max(bytes))));
        knobs.extend(memory.reservation_bytes.map(|bytes| Knob::new("memory.low", max(bytes))));
    }
}
knobs
