//! "filter_map, and no error is left to think about."
//!
//! task: 2
//! test: task2_a_table_that_makes_no_sense_is_refused
//! says: a list that looks whole and is not misleads

let mut lines = table.lines();
let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
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
Ok(lines.filter_map(parse).collect())
