//! "First who they are, then who they seem to be."
//!
//! task: 1
//! test: task1_a_line_is_a_range
//! says: the columns are ID-inside, ID-outside, length, in this order

let range = |line: &str| {
    let numbers = line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()?;
    let [outside, inside, count] = numbers.try_into().ok()?;
    Some(IdRange { inside, outside, count })
};
let check = |line| {
    range(line).ok_or_else(|| Error::invalid("line of /proc/PID/uid_map", line, "ID-inside ID-outside length"))
};
text.lines().map(check).collect()
