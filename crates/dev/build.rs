//! Passes the host's target triple on, for the licence check.

fn main() {
    // Cargo sets HOST for every build script.
    let host = std::env::var("HOST").unwrap_or_default();
    println!("cargo::rustc-env=HOST={host}");
    println!("cargo::rerun-if-changed=build.rs");
}
