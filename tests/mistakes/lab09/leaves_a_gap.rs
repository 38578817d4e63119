//! "After the last one comes the next one."
//!
//! task: 2
//! test: task2_own_comes_first_and_the_range_follows
//! test: task2_several_ranges_without_a_gap
//! says: a range begins inside where the one before it ended

let mut map: Vec<IdRange> = own.map(|id| IdRange { inside: 0, outside: id, count: 1 }).into_iter().collect();
for line in subids.lines() {
    let mut fields = line.split(':').map(str::trim);
    let owner = fields.next().unwrap_or_default();
    if owner != user && owner != uid.to_string() {
        continue;
    }
    let numbers = (fields.next().and_then(|first| first.parse().ok()), fields.next().and_then(|n| n.parse().ok()));
    let (Some(outside), Some(count @ 1..)) = numbers else {
        continue; // as newuidmap does with a line that it cannot read
    };
    let inside = map.last().map_or(0, |last| last.inside.saturating_add(last.count).saturating_add(1));
    let range = IdRange { inside, outside, count };
    if map.iter().any(|other| other.overlaps(&range)) {
        return Err(Error::invalid("line of /etc/subuid or /etc/subgid", line, "ids that nothing else gives to you"));
    }
    map.push(range);
}
let missing = || Error::invalid("user", user, "one with a line in /etc/subuid and /etc/subgid: NAME:100000:65536");
if map.is_empty() { Err(missing()) } else { Ok(map) }
