//! "What the kernel takes is set."
//!
//! task: 5
//! test: task5_what_v2_takes_in_silence_is_refused
//! says: v2's kernel takes more than the groups above have

if *cpu == Cpu::default() {
    return Ok(());
}
let version = group.version("cpu").or_else(|_| group.version("cpuset"))?;
for knob in knobs(cpu, version) {
    group.write(knob.name, knob.value)?;
}
Ok(())
