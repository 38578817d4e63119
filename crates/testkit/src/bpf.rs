//! The machine that seccomp's filters are written for, in small: classic BPF, as seccomp(2) takes it, run on a made-up
//! system call. Source: kernel doc networking/filter; seccomp(2).
//!
//! A fragment runs like a whole filter: a jump past its end, or its last instruction, goes on behind it.

use std::fmt;

use libc::{
    BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_DIV, BPF_IMM, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET,
    BPF_K, BPF_LD, BPF_LDX, BPF_LEN, BPF_LSH, BPF_MEM, BPF_MISC, BPF_MUL, BPF_NEG, BPF_OR, BPF_RET, BPF_RSH, BPF_ST,
    BPF_STX, BPF_SUB, BPF_TAX, BPF_TXA, BPF_W, BPF_X, BPF_XOR,
};
use model::plan::seccomp::Insn;

/// `struct seccomp_data`: a system call as a filter sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: u32,
    /// AUDIT_ARCH_*.
    pub arch: u32,
    /// Its arguments.
    pub args: [u64; 6],
}

/// The size of `struct seccomp_data` in bytes.
const SIZE: u32 = 64;
/// How many words of memory a program has.
const MEMORY: usize = 16;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A `ret`: action and data.
    Returned(u32),
    /// Behind the last instruction.
    WentOn {
        /// How many of the instructions that follow were passed over.
        past: usize,
        /// What A was then.
        a: u32,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Returned(value) => write!(f, "a return of {value:#010x}"),
            End::WentOn { past: 0, a } => write!(f, "it went on after its last instruction, with {a:#x} in A"),
            End::WentOn { past, a } => write!(f, "it passed over {past} of what follows, with {a:#x} in A"),
        }
    }
}

impl Call {
    /// The 32 bits at `offset`, as a machine with the lowest byte first has them.
    fn word(&self, offset: u32) -> u32 {
        let arg = |index: u32| self.args[index as usize / 8];
        match offset {
            0 => self.number,
            4 => self.arch,
            // Where the call was made from; no filter of the course asks.
            8 | 12 => 0,
            _ if offset.is_multiple_of(8) => arg(offset - 16) as u32,
            _ => (arg(offset - 20) >> 32) as u32,
        }
    }
}

/// Runs `program`, with `a` in A, on `call`.
///
/// # Errors
/// An instruction that the kernel would not take, by its place; it is found when the run comes to it.
pub fn run(program: &[Insn], a: u32, call: &Call) -> Result<End, String> {
    let mut state = State { a, x: 0, memory: [None; MEMORY] };
    let mut at = 0;
    while let Some(insn) = program.get(at) {
        let next = state.step(insn, call).map_err(|why| format!("instruction {at}, {}: {why}", Shown(insn)))?;
        match next {
            Next::Return(value) => return Ok(End::Returned(value)),
            Next::Skip(count) => at += 1 + count as usize,
        }
    }
    Ok(End::WentOn { past: at - program.len(), a: state.a })
}

/// The program, a line for each instruction; of a long one, the first lines.
#[must_use]
pub fn listing(program: &[Insn]) -> String {
    const LINES: usize = 24;
    let lines = program.iter().take(LINES).enumerate().map(|(at, insn)| format!("\n    {at:>3} {}", Shown(insn)));
    let rest = program.len().saturating_sub(LINES);
    let more = if rest == 0 { String::new() } else { format!("\n    and {rest} more") };
    lines.chain([more]).collect()
}

enum Next {
    /// Over so many instructions, 0 for none.
    Skip(u32),
    Return(u32),
}

struct State {
    a: u32,
    x: u32,
    memory: [Option<u32>; MEMORY],
}

impl State {
    fn step(&mut self, insn: &Insn, call: &Call) -> Result<Next, &'static str> {
        let k = insn.k;
        // What has no second operand is written out; of the others, BPF_X says where it is.
        match u32::from(insn.code) {
            LD_ABS if !k.is_multiple_of(4) => {
                return Err("seccomp_data is read in words of 4 bytes, from offsets that 4 divides");
            }
            LD_ABS if k >= SIZE => return Err("seccomp_data has 64 bytes"),
            LD_ABS => self.a = call.word(k),
            LD_LEN => self.a = SIZE,
            LDX_LEN => self.x = SIZE,
            LD_IMM => self.a = k,
            LDX_IMM => self.x = k,
            LD_MEM => self.a = self.load(k)?,
            LDX_MEM => self.x = self.load(k)?,
            ST => self.store(k, self.a)?,
            STX => self.store(k, self.x)?,
            TAX => self.x = self.a,
            TXA => self.a = self.x,
            NEG => self.a = self.a.wrapping_neg(),
            RET_K => return Ok(Next::Return(k)),
            RET_A => return Ok(Next::Return(self.a)),
            JA => return Ok(Next::Skip(k)),
            code => {
                let (is_x, operation) = (code & BPF_X != 0, code & !BPF_X);
                return self.with_operand(operation, if is_x { self.x } else { k }, is_x, insn);
            }
        }
        Ok(Next::Skip(0))
    }

    fn with_operand(&mut self, operation: u32, value: u32, is_x: bool, insn: &Insn) -> Result<Next, &'static str> {
        let a = self.a;
        let jump = |condition: bool| Ok(Next::Skip(u32::from(if condition { insn.jt } else { insn.jf })));
        self.a = match operation {
            JEQ => return jump(a == value),
            JGT => return jump(a > value),
            JGE => return jump(a >= value),
            JSET => return jump(a & value != 0),
            ADD => a.wrapping_add(value),
            SUB => a.wrapping_sub(value),
            MUL => a.wrapping_mul(value),
            DIV if value == 0 && is_x => return Ok(Next::Return(0)),
            DIV => a.checked_div(value).ok_or("it divides by 0")?,
            OR => a | value,
            AND => a & value,
            XOR => a ^ value,
            LSH | RSH if value > 31 && !is_x => return Err("A has 32 bits, and cannot be shifted by as many"),
            LSH => a.wrapping_shl(value),
            RSH => a.wrapping_shr(value),
            _ => return Err("seccomp knows no such instruction"),
        };
        Ok(Next::Skip(0))
    }

    fn load(&self, k: u32) -> Result<u32, &'static str> {
        let word = self.memory.get(k as usize).ok_or("memory has 16 words")?;
        word.ok_or("this word of memory was never written")
    }

    fn store(&mut self, k: u32, value: u32) -> Result<(), &'static str> {
        *self.memory.get_mut(k as usize).ok_or("memory has 16 words")? = Some(value);
        Ok(())
    }
}

const LD_ABS: u32 = BPF_LD | BPF_W | BPF_ABS;
const LD_LEN: u32 = BPF_LD | BPF_W | BPF_LEN;
const LDX_LEN: u32 = BPF_LDX | BPF_W | BPF_LEN;
const LD_IMM: u32 = BPF_LD | BPF_IMM;
const LDX_IMM: u32 = BPF_LDX | BPF_IMM;
const LD_MEM: u32 = BPF_LD | BPF_MEM;
const LDX_MEM: u32 = BPF_LDX | BPF_MEM;
const ST: u32 = BPF_ST;
const STX: u32 = BPF_STX;
const TAX: u32 = BPF_MISC | BPF_TAX;
const TXA: u32 = BPF_MISC | BPF_TXA;
const NEG: u32 = BPF_ALU | BPF_NEG;
const RET_K: u32 = BPF_RET | BPF_K;
const RET_A: u32 = BPF_RET | BPF_A;
const JA: u32 = BPF_JMP | BPF_JA;
const JEQ: u32 = BPF_JMP | BPF_JEQ;
const JGT: u32 = BPF_JMP | BPF_JGT;
const JGE: u32 = BPF_JMP | BPF_JGE;
const JSET: u32 = BPF_JMP | BPF_JSET;
const ADD: u32 = BPF_ALU | BPF_ADD;
const SUB: u32 = BPF_ALU | BPF_SUB;
const MUL: u32 = BPF_ALU | BPF_MUL;
const DIV: u32 = BPF_ALU | BPF_DIV;
const OR: u32 = BPF_ALU | BPF_OR;
const AND: u32 = BPF_ALU | BPF_AND;
const XOR: u32 = BPF_ALU | BPF_XOR;
const LSH: u32 = BPF_ALU | BPF_LSH;
const RSH: u32 = BPF_ALU | BPF_RSH;

/// The names of those with a second operand.
const NAMES: [(u32, &str); 13] = [
    (JEQ, "jeq"),
    (JGT, "jgt"),
    (JGE, "jge"),
    (JSET, "jset"),
    (ADD, "add"),
    (SUB, "sub"),
    (MUL, "mul"),
    (DIV, "div"),
    (OR, "or"),
    (AND, "and"),
    (XOR, "xor"),
    (LSH, "lsh"),
    (RSH, "rsh"),
];

/// An instruction as the kernel's documentation writes them; `jt` and `jf` count what is passed over.
struct Shown<'a>(&'a Insn);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Insn { code, jt, jf, k } = *self.0;
        let code = u32::from(code);
        let name = NAMES.iter().find(|(known, _)| *known == code & !BPF_X).map(|(_, name)| *name);
        match (code, name) {
            (LD_ABS, _) => write!(f, "ld [{k}]"),
            (LD_LEN, _) => write!(f, "ld #len"),
            (LDX_LEN, _) => write!(f, "ldx #len"),
            (LD_IMM, _) => write!(f, "ld #{k:#x}"),
            (LDX_IMM, _) => write!(f, "ldx #{k:#x}"),
            (LD_MEM, _) => write!(f, "ld M[{k}]"),
            (LDX_MEM, _) => write!(f, "ldx M[{k}]"),
            (ST, _) => write!(f, "st M[{k}]"),
            (STX, _) => write!(f, "stx M[{k}]"),
            (TAX, _) => write!(f, "tax"),
            (TXA, _) => write!(f, "txa"),
            (NEG, _) => write!(f, "neg"),
            (RET_K, _) => write!(f, "ret #{k:#x}"),
            (RET_A, _) => write!(f, "ret a"),
            (JA, _) => write!(f, "ja +{k}"),
            (_, None) => write!(f, "code {code:#06x}"),
            (_, Some(name)) => {
                let operand = if code & BPF_X == 0 { format!("#{k:#x}") } else { "x".to_owned() };
                write!(f, "{name} {operand}")?;
                if name.starts_with('j') { write!(f, ", +{jt}, else +{jf}") } else { Ok(()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call =
        Call { number: 0x11, arch: 0xc000_003e, args: [0x1111_2222_3333_4444, 1, 2, 3, 4, 0xaaaa_bbbb_cccc_dddd] };

    fn insn(code: u32, jt: u8, jf: u8, k: u32) -> Insn {
        Insn { code: code as u16, jt, jf, k }
    }

    fn returns(program: &[Insn]) -> u32 {
        match run(&[program, &[insn(RET_A, 0, 0, 0)]].concat(), 0, &CALL) {
            Ok(End::Returned(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn seccomp_data_is_read_in_words() {
        let at = |offset| returns(&[insn(LD_ABS, 0, 0, offset)]);
        let seen = [0, 4, 8, 16, 20, 24, 28, 56, 60].map(at);
        assert_eq!(seen, [0x11, 0xc000_003e, 0, 0x3333_4444, 0x1111_2222, 1, 0, 0xcccc_dddd, 0xaaaa_bbbb]);
        for (offset, words) in [(2, "4 divides"), (64, "64 bytes")] {
            let said = run(&[insn(LD_ABS, 0, 0, offset)], 0, &CALL).unwrap_err();
            assert!(said.contains(words) && said.starts_with(&format!("instruction 0, ld [{offset}]")), "{said}");
        }
    }

    #[test]
    fn arithmetic_has_32_bits() {
        let of = |code, k| returns(&[insn(LD_IMM, 0, 0, 0x8000_0010), insn(code, 0, 0, k)]);
        let seen = [of(ADD, 0x8000_0000), of(SUB, 0x8000_0011), of(MUL, 2), of(DIV, 0x10), of(NEG, 0)];
        assert_eq!(seen, [0x10, u32::MAX, 0x20, 0x0800_0001, 0x7fff_fff0]);
        let seen = [of(AND, 0x30), of(OR, 1), of(XOR, 0x8000_0000), of(LSH, 4), of(RSH, 31)];
        assert_eq!(seen, [0x10, 0x8000_0011, 0x10, 0x100, 1]);
        for (code, k) in [(DIV, 0), (RSH, 32)] {
            assert!(
                run(&[insn(LD_IMM, 0, 0, 1), insn(code, 0, 0, k)], 0, &CALL).unwrap_err().contains("instruction 1")
            );
        }
        // By X it is no fault of the program: the kernel ends the run.
        assert_eq!(run(&[insn(DIV | BPF_X, 0, 0, 0)], 7, &CALL), Ok(End::Returned(0)));
    }

    #[test]
    fn x_and_memory_keep_what_a_loses() {
        let keep = [insn(LD_IMM, 0, 0, 5), insn(ST, 0, 0, 15), insn(TAX, 0, 0, 0), insn(LD_IMM, 0, 0, 3)];
        let of = |rest: &[Insn]| returns(&[&keep, rest].concat());
        assert_eq!(of(&[insn(LD_MEM, 0, 0, 15)]), 5);
        assert_eq!(of(&[insn(TXA, 0, 0, 0)]), 5);
        assert_eq!(of(&[insn(ADD | BPF_X, 0, 0, 0)]), 8);
        assert_eq!(of(&[insn(LDX_IMM, 0, 0, 9), insn(STX, 0, 0, 0), insn(LD_MEM, 0, 0, 0)]), 9);
        assert_eq!(of(&[insn(LDX_MEM, 0, 0, 15), insn(TXA, 0, 0, 0)]), 5);
        assert_eq!([of(&[insn(LD_LEN, 0, 0, 0)]), of(&[insn(LDX_LEN, 0, 0, 0), insn(TXA, 0, 0, 0)])], [64, 64]);
        assert!(run(&[insn(LD_MEM, 0, 0, 1)], 0, &CALL).unwrap_err().contains("never written"));
        assert!(run(&[insn(ST, 0, 0, 16)], 0, &CALL).unwrap_err().contains("16 words"));
    }

    #[test]
    fn jumps_are_unsigned_and_go_forward() {
        let taken = |code, a, k| run(&[insn(code, 3, 1, k)], a, &CALL) == Ok(End::WentOn { past: 3, a });
        assert!(taken(JEQ, 7, 7) && !taken(JEQ, 7, 8));
        assert!(taken(JGT, u32::MAX, 7) && !taken(JGT, 7, 7) && taken(JGE, 7, 7) && !taken(JGE, 6, 7));
        assert!(taken(JSET, 6, 3) && !taken(JSET, 4, 3));
        let far = [insn(JA, 0, 0, 300), insn(RET_K, 0, 0, 1)];
        assert_eq!(run(&far, 4, &CALL), Ok(End::WentOn { past: 299, a: 4 }));
        assert_eq!(run(&far[1..], 4, &CALL), Ok(End::Returned(1)));
        assert_eq!(run(&[], 4, &CALL), Ok(End::WentOn { past: 0, a: 4 }));
    }

    #[test]
    fn what_seccomp_has_not_is_named() {
        // A byte, a half word, and a remainder.
        for code in [BPF_LD | libc::BPF_B | BPF_ABS, BPF_LD | libc::BPF_H | BPF_ABS, BPF_ALU | 0x90] {
            let said = run(&[insn(LD_IMM, 0, 0, 0), insn(code, 0, 0, 0)], 0, &CALL).unwrap_err();
            assert!(said.contains("instruction 1, code") && said.contains("no such instruction"), "{said}");
        }
    }

    #[test]
    fn a_listing_is_readable() {
        let seen =
            listing(&[insn(LD_ABS, 0, 0, 4), insn(JEQ, 1, 0, 16), insn(JA, 0, 0, 9), insn(AND | BPF_X, 0, 0, 0)]);
        assert_eq!(seen, "\n      0 ld [4]\n      1 jeq #0x10, +1, else +0\n      2 ja +9\n      3 and x");
        assert!(listing(&[insn(NEG, 0, 0, 0); 30]).ends_with("neg\n    and 6 more"));
    }
}
