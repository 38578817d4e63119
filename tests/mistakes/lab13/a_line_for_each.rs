//! "Each digest on a line."
//!
//! task: 6
//! test: task6_a_chain_names_layers_and_all_below_them
//! says: between the two stands one space, and nothing after them

let mut chain: Vec<Digest> = Vec::new();
for (at, own) in diff_ids.iter().enumerate() {
    let id = match at {
        0 => *own,
        _ => Digest::of(format!("{} {own}\n", chain[at - 1]).as_bytes()),
    };
    chain.push(id);
}
chain
