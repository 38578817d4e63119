//! "First what counts for all."
//!
//! task: 3
//! test: task3_what_no_rule_is_about_gets_the_default
//! says: the default was returned for every call

let mut body = vec![load(NUMBER)];
if arch.arch == X86_64 && !arch.x32 {
    body.extend([jump(libc::BPF_JGE, X32_BIT, 0, 1), ret(Action::KILL_PROCESS)]);
}
body.push(ret(default));
body.extend(arch.rules.iter().flat_map(rule));
[vec![load(ARCH), jump(libc::BPF_JEQ, arch.arch, 1, 0), pass_over(body.len())], body].concat()
