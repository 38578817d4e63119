//! "What is no range is no range."
//!
//! task: 1
//! test: task1_what_is_no_range_is_refused
//! says: a map with a line less is another map

let range = |line: &str| {
    let numbers = line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()?;
    let [inside, outside, count] = numbers.try_into().ok()?;
    Some(IdRange { inside, outside, count })
};
Ok(text.lines().filter_map(range).collect())
