//! What was built: the library, the tool, and small C programs for single tests.
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the build under test: `UNDERSTUDY_TEST_BUILD`, or else that of these tests.
pub fn folder() -> PathBuf {
    match std::env::var_os("UNDERSTUDY_TEST_BUILD") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_BIN_EXE_understudy")).parent().unwrap().into(),
    }
}

/// The shared library.
pub fn library() -> PathBuf {
    let folder = folder();
    if std::env::var_os("UNDERSTUDY_TEST_BUILD").is_some() {
        return folder.join("libunderstudy.so");
    }
    // `cargo test` leaves a fresh one in `deps` only.
    let places = [folder.join("libunderstudy.so"), folder.join("deps/libunderstudy.so")];
    let newest = places.iter().filter_map(|p| Some((p.metadata().ok()?.modified().ok()?, p))).max();
    newest.map(|(_, path)| path.clone()).expect("libunderstudy.so has not been built")
}

/// The command-line tool.
pub fn tool() -> PathBuf {
    folder().join("understudy")
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles a C program of `tests/programs/` into `folder`; its path.
pub fn c_program(name: &str, folder: &Path) -> PathBuf {
    let source = root().join("tests/programs").join(name).with_extension("c");
    let program = folder.join(name);
    let status = Command::new("cc")
        .args(["-O1", "-Wall", "-Werror", "-D_GNU_SOURCE", "-pthread", "-o"])
        .args([&program, &source])
        .status()
        .expect("cc runs");
    assert!(status.success(), "{} does not compile", source.display());
    program
}
