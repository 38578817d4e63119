//! The program that v2 asks: rules as instructions of the kernel's virtual machine.
//!
//! Source: kernel doc bpf/standardization/instruction-set.

use model::plan::{DeviceAccess, DeviceRule};

/// One instruction of the kernel's virtual machine: `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u8,
    /// Two of four bits: where the result goes, and where it comes from.
    registers: u8,
    /// For a jump, how many instructions are skipped; for a load, how many bytes into the context.
    offset: i16,
    immediate: i32,
}

/// The registers: the kernel passes the context in 1 and takes the answer from 0.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
/// Block or character.
const KIND: u8 = 2;
/// The letters that were asked for and that no rule has decided yet.
const OPEN: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Operation codes, all of 32 bits: class, source and operation in one byte.
const LOAD_WORD: u8 = 0x61;
pub const MOVE: u8 = 0xb4;
const COPY: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const SKIP_IF_EQUAL: u8 = 0x16;
const SKIP_UNLESS_EQUAL: u8 = 0x56;
const EXIT: u8 = 0x95;

fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    // Bit fields of C: the first is the low one, but for machines that begin with the high byte.
    let registers = if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
    Instruction { code, registers, offset, immediate }
}

/// The program that answers by `rules`. Of those that fit a device, the last one to name a letter decides on that
/// letter; so it begins with the last. A letter that no rule names is allowed, as in a group without a program.
pub fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    // The context, `struct bpf_cgroup_dev_ctx`: letters << 16 | kind, major, minor.
    let mut program = vec![
        instruction(LOAD_WORD, KIND, CONTEXT, 0, 0),
        instruction(COPY, OPEN, KIND, 0, 0),
        instruction(AND, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, OPEN, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    program.extend(rules.iter().rev().flat_map(decide));
    program.extend(answer(true));
    program
}

/// The part of one rule: skipped when the device is another one, or when letters are still open after it.
fn decide(rule: &DeviceRule) -> Vec<Instruction> {
    let kind = match rule.kind {
        'b' => Some(1),
        'c' => Some(2),
        _ => None,
    };
    let wanted = [(KIND, kind), (MAJOR, rule.major), (MINOR, rule.minor)];
    let wanted: Vec<_> = wanted.into_iter().filter_map(|(register, value)| Some((register, value?))).collect();
    let letters = letters(rule.access);
    let mut tail = if rule.allow {
        vec![instruction(AND, OPEN, 0, 0, !letters), instruction(SKIP_UNLESS_EQUAL, OPEN, 0, 2, 0)]
    } else {
        vec![
            instruction(COPY, ANSWER, OPEN, 0, 0),
            instruction(AND, ANSWER, 0, 0, letters),
            instruction(SKIP_IF_EQUAL, ANSWER, 0, 2, 0),
        ]
    };
    tail.extend(answer(rule.allow));
    let all = wanted.len() + tail.len();
    let tests = wanted.into_iter().enumerate().map(|(index, (register, value))| {
        let rest = (all - index - 1) as i16; // at most 7
        instruction(SKIP_UNLESS_EQUAL, register, 0, rest, value.cast_signed())
    });
    tests.chain(tail).collect()
}

fn answer(allow: bool) -> [Instruction; 2] {
    [instruction(MOVE, ANSWER, 0, 0, allow.into()), instruction(EXIT, 0, 0, 0, 0)]
}

/// `BPF_DEVCG_ACC_MKNOD` and its kin.
fn letters(DeviceAccess { read, write, mknod }: DeviceAccess) -> i32 {
    i32::from(mknod) | i32::from(read) << 1 | i32::from(write) << 2
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// `allow c 1:11 r` and the like.
    pub fn rule(text: &str) -> DeviceRule {
        let [verdict, kind, numbers, letters] = text.split(' ').collect::<Vec<_>>().try_into().expect("four words");
        let (major, minor) = numbers.split_once(':').expect("two numbers");
        let access = DeviceAccess::from_letters(letters).expect("letters");
        let kind = kind.chars().next().expect("a kind");
        DeviceRule { allow: verdict == "allow", kind, major: major.parse().ok(), minor: minor.parse().ok(), access }
    }

    fn rules(text: &str) -> Vec<DeviceRule> {
        text.split(", ").map(rule).collect()
    }

    /// The kernel's virtual machine, as far as the program needs it: its answer for a device.
    fn run(program: &[Instruction], device: &DeviceRule) -> bool {
        let kind = if device.kind == 'b' { 1 } else { 2 };
        let context = [letters(device.access) << 16 | kind, number(device.major), number(device.minor)];
        let (mut registers, mut next) = ([0_i32; 6], 0);
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[next];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            next += 1;
            match code {
                LOAD_WORD => registers[to] = context[offset as usize / 4],
                MOVE => registers[to] = immediate,
                COPY => registers[to] = registers[from],
                AND => registers[to] &= immediate,
                SHIFT_RIGHT => registers[to] = (registers[to].cast_unsigned() >> immediate).cast_signed(),
                SKIP_IF_EQUAL if registers[to] == immediate => next += offset as usize,
                SKIP_UNLESS_EQUAL if registers[to] != immediate => next += offset as usize,
                SKIP_IF_EQUAL | SKIP_UNLESS_EQUAL => {}
                EXIT => return registers[0] == 1,
                code => panic!("no such instruction: {code:#x}"),
            }
        }
    }

    fn number(number: Option<u32>) -> i32 {
        number.expect("a device has numbers").cast_signed()
    }

    /// The same in words: each letter is decided by the last rule that fits the device and names the letter.
    fn is_allowed(rules: &[DeviceRule], device: &DeviceRule) -> bool {
        let fits = |rule: &&DeviceRule| {
            (rule.kind == 'a' || rule.kind == device.kind)
                && (rule.major.is_none() || rule.major == device.major)
                && (rule.minor.is_none() || rule.minor == device.minor)
        };
        let names = |rule: &&DeviceRule, letter| rule.access.letters().contains(letter);
        let decides = |letter| rules.iter().rev().filter(fits).find(|rule| names(rule, letter));
        device.access.letters().chars().all(|letter| decides(letter).is_none_or(|rule| rule.allow))
    }

    #[test]
    fn the_program_answers_as_the_rules_say() {
        for list in [
            "deny a *:* rwm",
            "deny a *:* rwm, allow c *:* m, allow b *:* m, allow c 1:3 rwm, allow c 136:* rwm",
            "deny a *:* rwm, allow c 1:* r, allow c 1:11 w",
            "deny a *:* rwm, allow a *:* rwm, deny c 1:11 w, deny b 7:* rm",
            "deny c 1:11 rwm",
            "allow b 7:0 rw, deny a 7:0 w",
        ] {
            let (list, names) = (rules(list), list);
            let program = program(&list);
            for device in ["c 1:3", "c 1:11", "c 7:0", "b 7:0", "b 1:11", "c 136:4", "b 8:1"] {
                for letters in ["r", "w", "m", "rw", "rm", "wm", "rwm"] {
                    let asked = rule(&format!("allow {device} {letters}"));
                    let expected = is_allowed(&list, &asked);
                    assert_eq!(run(&program, &asked), expected, "{device} {letters} by {names}");
                }
            }
        }
    }

    #[test]
    fn a_program_is_a_frame_and_at_most_eight_instructions_a_rule() {
        assert_eq!(program(&[]).len(), 8);
        assert_eq!(program(&rules("deny c 1:11 w")).len(), 8 + 8);
        // As `bpftool prog dump xlated` would show them: the numbers are the kernel's.
        let bytes = |Instruction { code, registers, offset, immediate }| (code, registers, offset, immediate);
        let one: Vec<_> = decide(&rule("allow c 1:* r")).into_iter().map(bytes).collect();
        assert_eq!(one, [(86, 2, 5, 2), (86, 4, 4, 1), (84, 3, 0, !2), (86, 3, 2, 0), (180, 0, 0, 1), (149, 0, 0, 0)]);
    }
}
