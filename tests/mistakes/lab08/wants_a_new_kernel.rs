//! "memory.peak is in the documentation."
//!
//! task: 5
//! test: task5_v2_has_one_directory
//! says: memory.peak came with Linux 5.19

let number = |knob: &str| Ok(group.read(knob)?.trim().parse().unwrap_or(0));
let memory = group.part("memory")?;
let (cpu_us, memory_bytes, memory_peak_bytes) = match memory.version() {
    Version::V1 => {
        (number("cpuacct.usage")? / 1000, number("memory.usage_in_bytes")?, number("memory.max_usage_in_bytes")?)
    }
    Version::V2 => {
        let cpu_us = field(&memory.read("cpu.stat")?, "usage_usec");
        (cpu_us, number("memory.current")?, number("memory.peak")?)
    }
};
Ok(Usage { cpu_us, memory_bytes, memory_peak_bytes, pids: number("pids.current")? })
