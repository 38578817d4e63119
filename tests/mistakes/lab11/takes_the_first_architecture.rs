//! "A machine has one."
//!
//! task: 4
//! test: task4_each_architecture_has_its_rules
//! says: this architecture was left out

let mut filter: Vec<Insn> = policy.archs.iter().take(1).flat_map(|arch| for_arch(arch, policy.default)).collect();
filter.push(ret(Action::KILL_PROCESS));
if filter.len() > LONGEST {
    let right = "one that makes a filter of at most 4096 instructions";
    return Err(Error::invalid("linux.seccomp", format!("a policy that makes {} of them", filter.len()), right));
}
Ok(filter)
