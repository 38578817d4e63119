//! "The number was in A."
//!
//! task: 2
//! test: task2_afterwards_the_number_is_in_a
//! says: after the arguments, A no longer has the number

let mut body = vec![ret(rule.action)];
for arg in rule.args.iter().rev() {
    let skip = body.len() as u8;
    body.splice(0..0, compare(arg, skip));
}
let head = jump(libc::BPF_JEQ, rule.number, 0, body.len() as u8);
[vec![head], body].concat()
