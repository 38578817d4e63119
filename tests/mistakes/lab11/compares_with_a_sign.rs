//! "-1 is less than 0."
//!
//! task: 1
//! test: task1_less_and_more
//! says: they were compared as numbers with a sign

use libc::{BPF_JEQ as EQ, BPF_JGE as GE, BPF_JGT as GT};
let at = ARGS + 8 * arg.index;
let (lower, upper) = (load(at), load(at + 4));
let half = |value: u64| (value as u32, (value >> 32) as u32);
let (low, high) = half(match arg.compare {
    Compare::Masked(mask) => arg.value & mask,
    _ => arg.value,
});
// With its highest bit turned around, a number with a sign is in order.
let turn = Insn { code: (libc::BPF_ALU | libc::BPF_XOR | libc::BPF_K) as u16, jt: 0, jf: 0, k: 1 << 31 };
let turned = high ^ (1 << 31);
match arg.compare {
    Compare::Eq => vec![upper, jump(EQ, high, 0, skip + 2), lower, jump(EQ, low, 0, skip)],
    Compare::Ne => vec![upper, jump(EQ, high, 0, 2), lower, jump(EQ, low, skip, 0)],
    Compare::Gt => vec![upper, turn, jump(GT, turned, 3, 0), jump(EQ, turned, 0, skip + 2), lower, jump(GT, low, 0, skip)],
    Compare::Ge => vec![upper, turn, jump(GT, turned, 3, 0), jump(EQ, turned, 0, skip + 2), lower, jump(GE, low, 0, skip)],
    Compare::Lt => vec![upper, turn, jump(GT, turned, skip + 3, 0), jump(EQ, turned, 0, 2), lower, jump(GE, low, skip, 0)],
    Compare::Le => vec![upper, turn, jump(GT, turned, skip + 3, 0), jump(EQ, turned, 0, 2), lower, jump(GT, low, skip, 0)],
    Compare::Masked(mask) => {
        let (mask_low, mask_high) = half(mask);
        let first = [upper, and(mask_high), jump(EQ, high, 0, skip + 3)];
        [first, [lower, and(mask_low), jump(EQ, low, 0, skip)]].concat()
    }
}
