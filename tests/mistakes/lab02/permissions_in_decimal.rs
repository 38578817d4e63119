//! "640 is a number like the others."
//!
//! task: 2
//! test: task2_the_kernels_own_table_is_read
//! says: the permissions are octal digits

let invalid = |line: &str| Error::invalid("/proc/sysvipc/msg", line, "it has columns key msqid perms cbytes qnum");
let mut lines = table.lines();
let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
let parse = |line: &str| {
    let cells: Vec<&str> = line.split_whitespace().collect();
    let cell = |name: &str| cells.get(header.iter().position(|title| *title == name)?).copied();
    Some(Queue {
        key: cell("key")?.parse().ok()?,
        id: cell("msqid")?.parse().ok()?,
        mode: cell("perms")?.parse().ok()?,
        bytes: cell("cbytes")?.parse().ok()?,
        messages: cell("qnum")?.parse().ok()?,
    })
};
lines.map(|line| parse(line).ok_or_else(|| invalid(line))).collect()
