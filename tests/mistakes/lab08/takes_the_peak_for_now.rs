//! "max_usage is the usage."
//!
//! task: 5
//! test: task5_v1_has_a_file_for_each
//! test: task5_v2_has_one_directory
//! says: the peak was taken for what is used now

let number = |knob: &str| Ok(group.read(knob)?.trim().parse().unwrap_or(0));
let memory = group.part("memory")?;
let (cpu_us, memory_bytes, memory_peak_bytes) = match memory.version() {
    Version::V1 => {
        (number("cpuacct.usage")? / 1000, number("memory.max_usage_in_bytes")?, number("memory.max_usage_in_bytes")?)
    }
    Version::V2 => {
        let cpu_us = field(&memory.read("cpu.stat")?, "usage_usec");
        (cpu_us, number("memory.peak").or_else(|_| number("memory.current"))?, number("memory.peak").or_else(no_such_knob)?)
    }
};
Ok(Usage { cpu_us, memory_bytes, memory_peak_bytes, pids: number("pids.current")? })
