//! "All that is there, but for the return."
//!
//! task: 2
//! test: task2_every_condition_counts
//! says: what is passed over is one too few

let mut body = vec![ret(rule.action)];
for arg in rule.args.iter().rev() {
    let skip = body.len() as u8 - 1;
    body.splice(0..0, compare(arg, skip));
}
if !rule.args.is_empty() {
    body.push(load(NUMBER));
}
let head = jump(libc::BPF_JEQ, rule.number, 0, body.len() as u8);
[vec![head], body].concat()
