//! "Not this one: then the next."
//!
//! task: 2
//! test: task2_every_condition_counts
//! says: passes over all that follows, the other conditions too

let mut body: Vec<Insn> = Vec::new();
for (left, arg) in (1..=rule.args.len()).rev().zip(&rule.args) {
    // The last one passes over the return.
    body.extend(compare(arg, if left == 1 { 1 } else { 0 }));
}
body.push(ret(rule.action));
if !rule.args.is_empty() {
    body.push(load(NUMBER));
}
let head = jump(libc::BPF_JEQ, rule.number, 0, body.len() as u8);
[vec![head], body].concat()
