//! "One jump is enough."
//!
//! task: 3
//! test: task3_hundreds_of_rules
//! says: cut off, the jump ends within the rules

let mut body = vec![load(NUMBER)];
if arch.arch == X86_64 && !arch.x32 {
    body.extend([jump(libc::BPF_JGE, X32_BIT, 0, 1), ret(Action::KILL_PROCESS)]);
}
body.extend(arch.rules.iter().flat_map(rule));
body.push(ret(default));
[vec![load(ARCH), jump(libc::BPF_JEQ, arch.arch, 0, body.len() as u8)], body].concat()
