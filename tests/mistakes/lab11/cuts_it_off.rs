//! "4096 are a lot."
//!
//! task: 4
//! test: task4_what_is_too_long_is_refused
//! says: what was too much was left out

let mut filter: Vec<Insn> = policy.archs.iter().flat_map(|arch| for_arch(arch, policy.default)).collect();
filter.truncate(LONGEST - 1);
filter.push(ret(Action::KILL_PROCESS));
Ok(filter)
