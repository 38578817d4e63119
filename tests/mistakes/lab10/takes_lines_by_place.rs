//! "They stand one below the other."
//!
//! task: 1
//! test: task1_a_line_is_known_by_its_name
//! says: it was found by its place: what a kernel adds tomorrow moves every line behind it

let lines: Vec<&str> = status.lines().filter(|line| line.starts_with("Cap")).collect();
let set = |place: usize| {
    let mask = lines.get(place).and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default();
    let bits = u64::from_str_radix(mask, 16).ok();
    bits.map(CapSet).ok_or_else(|| Error::invalid("/proc/PID/status", mask, "a hexadecimal number"))
};
Ok(CapSets { inheritable: set(0)?, permitted: set(1)?, effective: set(2)?, bounding: set(3)?, ambient: set(4)? })
