//! "Nobody uses x32."
//!
//! task: 3
//! test: task3_numbers_of_x32_are_killed_unless_asked_for
//! says: killed although the rules are about them

let mut body = vec![load(NUMBER)];
if arch.arch == X86_64 {
    body.extend([jump(libc::BPF_JGE, X32_BIT, 0, 1), ret(Action::KILL_PROCESS)]);
}
body.extend(arch.rules.iter().flat_map(rule));
body.push(ret(default));
[vec![load(ARCH), jump(libc::BPF_JEQ, arch.arch, 1, 0), pass_over(body.len())], body].concat()
