//! The core (`base`, `wire`, `stack`) is sans-IO: it can be run by a simulator, a fuzzer or a
//! packet script exactly as the engine runs it. `tidy.rs` holds what it may import; this test looks
//! for what needs no import, or hides behind one that is allowed.
use std::path::{Path, PathBuf};
use std::process::Command;

/// Words that may not appear in the core outside of its tests, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::time", "reads the clock"),
    ("SystemTime", "reads the clock"),
    ("std::thread", "threads"),
    ("std::net", "sockets; addresses come from core::net"),
    ("std::fs", "files"),
    ("std::io", "files"),
    ("std::os", "the system"),
    ("std::env", "the system"),
    ("std::process", "the system"),
    ("libc", "system calls"),
    ("rustix", "system calls"),
    ("getrandom", "entropy"),
    ("RandomState", "entropy"),
    ("HashSet", "entropy, by its default hasher"),
    ("HashMap::new", "entropy, by its default hasher"),
    ("HashMap::default", "entropy, by its default hasher"),
    ("thread_local", "hidden state"),
    ("static mut", "hidden state"),
    ("Mutex", "hidden state, and system calls when it waits"),
    ("println!", "output"),
    ("eprint", "output"),
    ("dbg!", "output"),
    ("unsafe {", "memory that the core does not own"),
    ("extern \"C\"", "system calls"),
    ("asm!", "system calls"),
];

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        // `tests` folders and files are only built for tests.
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The code of a file: without comments, and without the test module at its end.
fn code<'a>(text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let all: Vec<&str> = text.lines().collect();
    let tests = |at: usize| all[at] == "#[cfg(test)]" && all[at + 1].starts_with("mod ");
    let end = (0..all.len()).find(|&at| tests(at)).unwrap_or(all.len());
    let uncommented = |line: &'a str| line.split("//").next().unwrap_or("");
    let numbered = all.into_iter().take(end).enumerate();
    numbered.map(move |(n, line)| (n + 1, uncommented(line)))
}

#[test]
fn the_core_does_nothing_but_compute() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for room in ["base", "wire", "stack"] {
        collect(&src.join(room), &mut files);
    }
    assert!(files.len() > 40, "the core has moved: {files:?}");
    let mut faults = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a file");
        for (line, code) in code(&text) {
            for (word, why) in FORBIDDEN.iter().filter(|(word, _)| code.contains(word)) {
                faults.push(format!("{}:{line}: {word} ({why})", path.display()));
            }
            // A hash map must name its hasher: HashMap<K, V, S>.
            if code.contains("HashMap<") && code.matches(',').count() < 2 {
                faults
                    .push(format!("{}:{line}: a HashMap with the default hasher", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The only crates that the core takes from outside must not ask the system for entropy either.
#[test]
fn the_generator_has_no_entropy_of_its_own() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("Cargo.toml");
    for name in ["fastrand", "siphasher"] {
        let start = format!("{name} = ");
        let line = manifest.lines().find(|line| line.starts_with(&start)).expect(name);
        assert!(line.contains("default-features = false"), "{line}: std gives it entropy");
    }
}

/// Without features, no other crate is built: neither for the core nor for its build script.
#[test]
fn the_core_needs_two_crates() {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["tree", "--offline", "--locked", "--package=understudy", "--no-default-features"]);
    cargo.args(["--edges=normal,build", "--prefix=none", "--format={lib}", "--manifest-path"]);
    let output = cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut crates: Vec<_> = text.lines().collect();
    crates.sort();
    assert_eq!(crates, ["fastrand", "siphasher", "understudy"]);
}
