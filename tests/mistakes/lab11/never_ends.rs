//! "for_arch() has a default."
//!
//! task: 4
//! test: task4_any_other_architecture_is_killed
//! says: the filter does not end

let filter: Vec<Insn> = policy.archs.iter().flat_map(|arch| for_arch(arch, policy.default)).collect();
if filter.len() > LONGEST {
    let right = "one that makes a filter of at most 4096 instructions";
    return Err(Error::invalid("linux.seccomp", format!("a policy that makes {} of them", filter.len()), right));
}
Ok(filter)
