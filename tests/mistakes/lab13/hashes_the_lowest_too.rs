//! "Every chain id is a hash of a text."
//!
//! task: 6
//! test: task6_a_chain_names_layers_and_all_below_them
//! says: the lowest layer's digest was hashed again

let mut chain: Vec<Digest> = Vec::new();
for (at, own) in diff_ids.iter().enumerate() {
    let id = match at {
        0 => Digest::of(own.to_string().as_bytes()),
        _ => Digest::of(format!("{} {own}", chain[at - 1]).as_bytes()),
    };
    chain.push(id);
}
chain
