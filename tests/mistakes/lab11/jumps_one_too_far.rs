//! "From the last instruction it is skip and itself."
//!
//! task: 1
//! test: task1_false_passes_over_exactly_so_many
//! says: it is off by one

use libc::{BPF_JEQ as EQ, BPF_JGE as GE, BPF_JGT as GT};
let at = ARGS + 8 * arg.index;
let (lower, upper) = (load(at), load(at + 4));
let half = |value: u64| (value as u32, (value >> 32) as u32);
let (low, high) = half(match arg.compare {
    Compare::Masked(mask) => arg.value & mask,
    _ => arg.value,
});
match arg.compare {
    Compare::Eq => vec![upper, jump(EQ, high, 0, skip + 2), lower, jump(EQ, low, 0, skip + 1)],
    Compare::Ne => vec![upper, jump(EQ, high, 0, 2), lower, jump(EQ, low, skip, 0)],
    Compare::Gt => vec![upper, jump(GT, high, 3, 0), jump(EQ, high, 0, skip + 2), lower, jump(GT, low, 0, skip)],
    Compare::Ge => vec![upper, jump(GT, high, 3, 0), jump(EQ, high, 0, skip + 2), lower, jump(GE, low, 0, skip)],
    Compare::Lt => vec![upper, jump(GT, high, skip + 3, 0), jump(EQ, high, 0, 2), lower, jump(GE, low, skip, 0)],
    Compare::Le => vec![upper, jump(GT, high, skip + 3, 0), jump(EQ, high, 0, 2), lower, jump(GT, low, skip, 0)],
    Compare::Masked(mask) => {
        let (mask_low, mask_high) = half(mask);
        let first = [upper, and(mask_high), jump(EQ, high, 0, skip + 3)];
        [first, [lower, and(mask_low), jump(EQ, low, 0, skip + 1)]].concat()
    }
}
