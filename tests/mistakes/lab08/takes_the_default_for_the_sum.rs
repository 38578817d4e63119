//! "As much swap as memory: the same number."
//!
//! task: 1
//! test: task1_where_nothing_is_said_swap_is_as_much_as_memory
//! says: nothing is left for swap

let limit = memory.limit_bytes;
let with_swap = memory.with_swap_bytes.or(limit);
let max = |bytes: i64| if bytes < 0 { "max".to_owned() } else { bytes.to_string() };
let mut knobs = Vec::new();
match version {
    Version::V1 => {
        knobs.extend(limit.map(|bytes| Knob::new("memory.limit_in_bytes", bytes)));
        knobs.extend(with_swap.map(|bytes| Knob::new("memory.memsw.limit_in_bytes", bytes)));
        knobs.extend(memory.reservation_bytes.map(|bytes| Knob::new("memory.soft_limit_in_bytes", bytes)));
    }
    Version::V2 => {
        let swap = with_swap.map(|bytes| if bytes < 0 { -1 } else { bytes - limit.unwrap_or(0).max(0) });
        knobs.extend(limit.map(|bytes| Knob::new("memory.max", max(bytes))));
        knobs.extend(swap.map(|bytes| Knob::new("memory.swap.max", max(bytes))));
        knobs.extend(memory.reservation_bytes.map(|bytes| Knob::new("memory.low", max(bytes))));
    }
}
knobs
