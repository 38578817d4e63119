//! "Who has an argument of more than 32 bits?"
//!
//! task: 1
//! test: task1_the_same_and_another
//! says: the lower half alone was compared

use libc::{BPF_JEQ as EQ, BPF_JGE as GE, BPF_JGT as GT};
let lower = load(ARGS + 8 * arg.index);
let value = arg.value as u32;
let test = match arg.compare {
    Compare::Eq => jump(EQ, value, 0, skip),
    Compare::Ne => jump(EQ, value, skip, 0),
    Compare::Gt => jump(GT, value, 0, skip),
    Compare::Ge => jump(GE, value, 0, skip),
    Compare::Lt => jump(GE, value, skip, 0),
    Compare::Le => jump(GT, value, skip, 0),
    Compare::Masked(mask) => return vec![lower, and(mask as u32), jump(EQ, value & mask as u32, 0, skip)],
};
vec![lower, test]
