//! "The new one, then what is below."
//!
//! task: 6
//! test: task6_a_chain_names_layers_and_all_below_them
//! says: the chain below comes first

let mut chain: Vec<Digest> = Vec::new();
for (at, own) in diff_ids.iter().enumerate() {
    let id = match at {
        0 => *own,
        _ => Digest::of(format!("{own} {}", chain[at - 1]).as_bytes()),
    };
    chain.push(id);
}
chain
