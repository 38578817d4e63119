//! "The kernel will say so."
//!
//! task: 4
//! test: task4_what_is_too_long_is_refused
//! says: and says EINVAL, which tells nobody why

let mut filter: Vec<Insn> = policy.archs.iter().flat_map(|arch| for_arch(arch, policy.default)).collect();
filter.push(ret(Action::KILL_PROCESS));
Ok(filter)
