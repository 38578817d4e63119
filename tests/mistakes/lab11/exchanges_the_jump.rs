//! "If it is the number, jump."
//!
//! task: 2
//! test: task2_the_number_is_looked_at
//! says: for every number but the rule's

let mut body = vec![ret(rule.action)];
for arg in rule.args.iter().rev() {
    let skip = body.len() as u8;
    body.splice(0..0, compare(arg, skip));
}
if !rule.args.is_empty() {
    body.push(load(NUMBER));
}
let head = jump(libc::BPF_JEQ, rule.number, body.len() as u8, 0);
[vec![head], body].concat()
