//! "There is a blank between two numbers."
//!
//! task: 1
//! test: task1_a_line_is_a_range
//! test: task1_the_callers_own_map
//! says: a split at each of them gives empty words

let range = |line: &str| {
    let numbers = line.split(' ').map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()?;
    let [inside, outside, count] = numbers.try_into().ok()?;
    Some(IdRange { inside, outside, count })
};
let check = |line| {
    range(line).ok_or_else(|| Error::invalid("line of /proc/PID/uid_map", line, "ID-inside ID-outside length"))
};
text.lines().map(check).collect()
