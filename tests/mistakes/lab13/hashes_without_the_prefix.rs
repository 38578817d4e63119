//! "A digest is its 64 digits."
//!
//! task: 6
//! test: task6_a_chain_names_layers_and_all_below_them
//! says: sha256: is part of the text that is hashed

let mut chain: Vec<Digest> = Vec::new();
for (at, own) in diff_ids.iter().enumerate() {
    let id = match at {
        0 => *own,
        _ => Digest::of(format!("{} {}", chain[at - 1].hex(), own.hex()).as_bytes()),
    };
    chain.push(id);
}
chain
