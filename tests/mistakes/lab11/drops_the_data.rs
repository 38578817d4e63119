//! "An action is an action."
//!
//! task: 2
//! test: task2_the_action_is_returned_with_its_data
//! says: the data of the action was lost

let mut body = vec![ret(Action(rule.action.0 & libc::SECCOMP_RET_ACTION_FULL))];
for arg in rule.args.iter().rev() {
    let skip = body.len() as u8;
    body.splice(0..0, compare(arg, skip));
}
if !rule.args.is_empty() {
    body.push(load(NUMBER));
}
let head = jump(libc::BPF_JEQ, rule.number, 0, body.len() as u8);
[vec![head], body].concat()
