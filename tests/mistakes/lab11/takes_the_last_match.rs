//! "Who comes last is right."
//!
//! task: 3
//! test: task3_the_first_rule_that_matches
//! says: the last rule that matches was taken

let mut body = vec![load(NUMBER)];
if arch.arch == X86_64 && !arch.x32 {
    body.extend([jump(libc::BPF_JGE, X32_BIT, 0, 1), ret(Action::KILL_PROCESS)]);
}
body.extend(arch.rules.iter().rev().flat_map(rule));
body.push(ret(default));
[vec![load(ARCH), jump(libc::BPF_JEQ, arch.arch, 1, 0), pass_over(body.len())], body].concat()
