//! How runbox is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // To a fixed address. The loader has then nothing to relocate, 20,000 words at each start otherwise: a fifth of the time that
    // runbox takes to begin, twice a container, and 340 kB of memory that no other process can share.
    if std::env::var_os("CARGO_FEATURE_RUNBOX").is_some() {
        println!("cargo::rustc-link-arg-bin=runbox=-no-pie");
    }
}
