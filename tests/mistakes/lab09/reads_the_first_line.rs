//! "It is one line, as I saw."
//!
//! task: 1
//! test: task1_every_line_counts
//! says: a line a range, and a map may have many: the others were left out

let range = |line: &str| {
    let numbers = line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()?;
    let [inside, outside, count] = numbers.try_into().ok()?;
    Some(IdRange { inside, outside, count })
};
let check = |line| {
    range(line).ok_or_else(|| Error::invalid("line of /proc/PID/uid_map", line, "ID-inside ID-outside length"))
};
text.lines().take(1).map(check).collect()
