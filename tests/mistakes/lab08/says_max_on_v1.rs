//! "max is no limit."
//!
//! task: 1
//! test: task1_each_version_has_its_word_for_no_limit
//! says: "max" is v2's word

let limit = memory.limit_bytes;
let with_swap = memory.with_swap_bytes.or(limit.map(|bytes| bytes.saturating_mul(2).max(-1)));
let max = |bytes: i64| if bytes < 0 { "max".to_owned() } else { bytes.to_string() };
let mut knobs = Vec::new();
match version {
    Version::V1 => {
        knobs.extend(limit.map(|bytes| Knob::new("memory.limit_in_bytes", max(bytes))));
        knobs.extend(with_swap.map(|bytes| Knob::new("memory.memsw.limit_in_bytes", max(bytes))));
        knobs.extend(memory.reservation_bytes.map(|bytes| Knob::new("memory.soft_limit_in_bytes", max(bytes))));
    }
    Version::V2 => {
        let swap = with_swap.map(|bytes| if bytes < 0 { -1 } else { bytes - limit.unwrap_or(0).max(0) });
        knobs.extend(limit.map(|bytes| Knob::new("memory.max", max(bytes))));
        knobs.extend(swap.map(|bytes| Knob::new("memory.swap.max", max(bytes))));
        knobs.extend(memory.reservation_bytes.map(|bytes| Knob::new("memory.low", max(bytes))));
    }
}
knobs
