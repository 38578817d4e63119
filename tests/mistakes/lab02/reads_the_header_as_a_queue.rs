//! "Each line is a queue."
//!
//! task: 2
//! test: task2_a_namespace_without_queues_has_an_empty_list
//! says: the first line names the columns; it is no queue

let invalid = |line: &str| Error::invalid("/proc/sysvipc/msg", line, "it has columns key msqid perms cbytes qnum");
let header: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
let parse = |line: &str| {
    let cells: Vec<&str> = line.split_whitespace().collect();
    let cell = |name: &str| cells.get(header.iter().position(|title| *title == name)?).copied();
    Some(Queue {
        key: cell("key")?.parse().ok()?,
        id: cell("msqid")?.parse().ok()?,
        mode: u32::from_str_radix(cell("perms")?, 8).ok()?,
        bytes: cell("cbytes")?.parse().ok()?,
        messages: cell("qnum")?.parse().ok()?,
    })
};
table.lines().map(|line| parse(line).ok_or_else(|| invalid(line))).collect()
