//! Takes in the eBPF object, which `cargo xtask build` makes (it needs a linker and core's source of its own).

use std::{env, fs, path::PathBuf, process::exit};

fn main() {
    println!("cargo::rerun-if-env-changed=ROLLCALL_BPF_OBJECT");
    let object = env::var_os("ROLLCALL_BPF_OBJECT").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bpf/rollcall.o")),
        PathBuf::from,
    );
    println!("cargo::rerun-if-changed={}", object.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("rollcall.o");
    if let Err(error) = fs::copy(&object, &out) {
        println!(
            "cargo::error=the eBPF object {} cannot be read ({error}): run `cargo xtask build`",
            object.display()
        );
        exit(1);
    }
}
