//! "A number is a number."
//!
//! task: 3
//! test: task3_another_architecture_is_passed_over
//! says: the architecture was not looked at

let mut body = vec![load(NUMBER)];
if arch.arch == X86_64 && !arch.x32 {
    body.extend([jump(libc::BPF_JGE, X32_BIT, 0, 1), ret(Action::KILL_PROCESS)]);
}
body.extend(arch.rules.iter().flat_map(rule));
body.push(ret(default));
body
