//! "key, msqid, perms, cbytes, qnum: that is the order on my machine."
//!
//! task: 2
//! test: task2_columns_are_found_by_their_names
//! says: a column was taken by its place

let invalid = |line: &str| Error::invalid("/proc/sysvipc/msg", line, "it has columns key msqid perms cbytes qnum");
let complete = table.lines().next().is_some_and(|header| header.split_whitespace().count() >= 5);
let parse = |line: &str| {
    let cells: Vec<&str> = line.split_whitespace().collect();
    Some(Queue {
        key: cells.first()?.parse().ok()?,
        id: cells.get(1)?.parse().ok()?,
        mode: u32::from_str_radix(cells.get(2)?, 8).ok()?,
        bytes: cells.get(3)?.parse().ok()?,
        messages: cells.get(4)?.parse().ok()?,
    })
};
table.lines().skip(1).map(|line| parse(line).filter(|_| complete).ok_or_else(|| invalid(line))).collect()
