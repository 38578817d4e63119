//! A runbox without a loader begins in `src/bin/runbox/entry.rs`, which knows two processors.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let cfg = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let is_static = cfg("FEATURE").split(',').any(|feature| feature == "crt-static");
    if is_static && ["x86_64", "aarch64"].contains(&&*cfg("ARCH")) {
        println!("cargo::rustc-link-arg-bin=runbox=-Wl,-e,start_sealed");
    }
}
