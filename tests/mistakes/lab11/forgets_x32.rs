//! "x86_64 is one architecture."
//!
//! task: 3
//! test: task3_numbers_of_x32_are_killed_unless_asked_for
//! says: a number with X32_BIT is another name for the same call

let mut body = vec![load(NUMBER)];
body.extend(arch.rules.iter().flat_map(rule));
body.push(ret(default));
[vec![load(ARCH), jump(libc::BPF_JEQ, arch.arch, 1, 0), pass_over(body.len())], body].concat()
