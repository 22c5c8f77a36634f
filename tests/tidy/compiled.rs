//! Files that nothing compiles.
use super::{File, report, rust_files};

/// A file that no `mod` names is not compiled: a merge may have brought it back.
#[test]
fn every_file_is_compiled() {
    let files = rust_files();
    let names = |of: &File, file: &str| {
        let stem = file.trim_end_matches(".rs");
        of.text.contains(&format!("mod {stem};")) || of.text.contains(&format!("\"{file}\""))
    };
    let mut faults = Vec::new();
    for file in files.iter().filter(|f| f.path.starts_with("src/")) {
        let path = file.path.trim_end_matches("/mod.rs");
        let (folder, name) = path.rsplit_once('/').unwrap();
        let inside = |f: &&File| f.path.rsplit_once('/').is_some_and(|(dir, _)| dir == folder);
        let declared = files.iter().filter(inside).any(|f| names(f, name));
        if !declared && !matches!(name, "lib.rs" | "main.rs") {
            faults.push(file.path.clone());
        }
    }
    report("files that no mod names", faults);
}
