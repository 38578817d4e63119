//! "What is no number is 0."
//!
//! task: 5
//! test: task5_v2_has_one_directory
//! says: the kernel's text ends with a newline

let number = |knob: &str| Ok(group.read(knob)?.parse().unwrap_or(0));
let memory = group.part("memory")?;
let (cpu_us, memory_bytes, memory_peak_bytes) = match memory.version() {
    Version::V1 => {
        (number("cpuacct.usage")? / 1000, number("memory.usage_in_bytes")?, number("memory.max_usage_in_bytes")?)
    }
    Version::V2 => {
        let cpu_us = number("cpu.stat")?;
        (cpu_us, number("memory.current")?, number("memory.peak").or_else(no_such_knob)?)
    }
};
Ok(Usage { cpu_us, memory_bytes, memory_peak_bytes, pids: number("pids.current")? })
