//! The house rules, as an ordinary test: who may import whom, sizes, and where `unsafe` may be.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Lines of a file, of a function, and columns of a line, at most.
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;
const COLUMNS: usize = 100;

/// Files that are longer than [`FILE_LINES`], with their allowance. It may only shrink.
const LONG_FILES: &[(&str, usize)] = &[];
/// Functions that are longer than [`FUNCTION_LINES`], with their allowance. It may only shrink.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// Rooms where `unsafe` is allowed.
const UNSAFE_ROOMS: &[&str] = &["host", "shm", "abi"];
/// And two more `extern "C"` surfaces: what packetdrill loads, and the engine's library.
const UNSAFE_FOLDERS: [&str; 2] = ["tests/packetdrill/", "embed/src/"];

/// Which rooms a room may know. A room that is not here may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("wire", &["base"]),
    ("stack", &["base", "wire"]),
    ("host", &["base"]),
    ("net", &["base"]),
    ("protocol", &["base"]),
    ("link", &["base", "wire", "host", "net"]),
    ("sock", &["base", "host", "net", "protocol"]),
    ("abi", &["base", "host", "net", "sock"]),
    ("lab", &["base", "wire", "stack", "link"]),
    ("engine", &["base", "wire", "stack", "host", "net", "link", "protocol", "sock"]),
];

/// Rooms without system calls, clocks, threads or entropy.
const PURE: &[&str] = &["base", "wire", "stack"];
/// What these may take from outside: never `libc`, `rustix`, `std::time::Instant`, threads or
/// files.
const PURE_MAY_USE: &[&str] = &[
    "core",
    "alloc",
    "fastrand",
    "siphasher",
    "serde",
    "zerocopy",
    "std::collections",
    "std::vec",
    "std::sync::Arc",
    "std::rc",
    "std::borrow",
    "std::boxed",
    "std::string",
    "std::iter",
    "std::cmp",
    "std::ops",
    "std::mem",
    "std::fmt",
];
/// What no room of the library may use: under `LD_PRELOAD` it would come back to our own exports.
const LIBRARY_MAY_NOT_USE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os::unix::net",
    "std::io::stdin",
];

/// One file of the repository.
struct File {
    /// From the root, with `/`.
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, ends: &[&str], out: &mut Vec<File>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let generated = ["target", "corpus", "artifacts"].contains(&name.as_str());
            if !generated && (!name.starts_with('.') || name == ".ci") {
                collect(&path, ends, out);
            }
        } else if ends.iter().any(|end| name.ends_with(end)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            out.push(File { path, text });
        }
    }
}

/// All Rust files of the package.
fn rust_files() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root().join("src"), &[".rs"], &mut files);
    collect(&root().join("tests"), &[".rs"], &mut files);
    collect(&root().join("embed"), &[".rs"], &mut files);
    collect(&root().join("c-examples"), &[".rs"], &mut files);
    let text = std::fs::read_to_string(root().join("build.rs")).unwrap();
    files.push(File { path: "build.rs".into(), text });
    files
}

impl File {
    fn syntax(&self) -> syn::File {
        syn::parse_file(&self.text).unwrap_or_else(|e| panic!("{}: {e}", self.path))
    }

    /// `sock` for `src/sock/name.rs`; `None` outside the library's rooms.
    fn room(&self) -> Option<&str> {
        let (room, _) = self.path.strip_prefix("src/")?.split_once('/')?;
        (room != "bin").then_some(room)
    }

    /// The module path inside the crate: `["sock", "name"]`.
    fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inside = inside.trim_end_matches(".rs").trim_end_matches("/mod");
        inside.split('/').map(str::to_owned).collect()
    }

    /// Whether the file is compiled for tests only.
    fn only_tests(&self) -> bool {
        let module = self.module();
        module.iter().any(|part| part == "tests" || part.ends_with("_tests"))
    }
}

fn report(what: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{what}:\n  {}", faults.join("\n  "));
}

/// Every path that a file names, made absolute: `crate::base::addr`, `std::time::Instant`.
#[derive(Default)]
struct Paths {
    module: Vec<String>,
    found: BTreeSet<(String, usize)>,
}

impl Paths {
    fn add(&mut self, segments: &[String], line: usize) {
        let mut module = self.module.clone();
        let mut rest = segments;
        let inside = match rest.first().map(String::as_str) {
            Some("crate") => {
                module.clear();
                rest = &rest[1..];
                true
            }
            Some("self" | "super") => {
                while let Some(word @ ("self" | "super")) = rest.first().map(String::as_str) {
                    if word == "super" {
                        module.pop();
                    }
                    rest = &rest[1..];
                }
                true
            }
            _ => false,
        };
        let mut full = if inside { vec!["crate".to_owned()] } else { Vec::new() };
        if inside {
            full.extend(module);
        }
        full.extend(rest.iter().cloned());
        self.found.insert((full.join("::"), line));
    }

    fn tree(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(item, prefix));
            }
            syn::UseTree::Name(name) => self.leaf(prefix, &name.ident),
            syn::UseTree::Rename(rename) => self.leaf(prefix, &rename.ident),
            syn::UseTree::Glob(glob) => self.add(prefix, glob.span().start().line),
        }
    }

    fn leaf(&mut self, prefix: &mut Vec<String>, name: &syn::Ident) {
        prefix.push(name.to_string());
        self.add(prefix, name.span().start().line);
        prefix.pop();
    }
}

fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        a.path().is_ident("test")
            || a.path().is_ident("cfg")
                && matches!(&a.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !for_tests(&item.attrs) {
            self.tree(&item.tree, &mut Vec::new());
        }
    }
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !for_tests(&item.attrs) {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.add(&segments, path.span().start().line);
        }
        visit::visit_path(self, path);
    }
}

fn paths(file: &File) -> BTreeSet<(String, usize)> {
    let mut paths = Paths { module: file.module(), ..Paths::default() };
    paths.visit_file(&file.syntax());
    paths.found
}

/// Whether `path` is `prefix` or lies below it.
fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn arrows_go_one_way() {
    let mut faults = Vec::new();
    for file in rust_files().iter().filter(|f| !f.only_tests()) {
        let Some(room) = file.room() else { continue };
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{}: the room {room} is not in the table", file.path));
            continue;
        };
        for (path, line) in paths(file) {
            let other = path.strip_prefix("crate::").and_then(|p| p.split("::").next());
            let known = |other| ARROWS.iter().any(|(name, _)| *name == other);
            if other.is_some_and(|o| o != room && known(o) && !allowed.contains(&o)) {
                faults.push(format!("{}:{line}: {room} may not use {path}", file.path));
            }
        }
    }
    report("rooms know other rooms that they may not know", faults);
}

#[test]
fn the_core_does_no_system_call() {
    const OUTSIDE: &[&str] =
        &["std", "libc", "rustix", "getrandom", "parking_lot", "crossbeam_channel", "tracing"];
    let mut faults = Vec::new();
    for file in rust_files().iter().filter(|f| !f.only_tests()) {
        if !file.room().is_some_and(|room| PURE.contains(&room)) {
            continue;
        }
        for (path, line) in paths(file) {
            let outside = OUTSIDE.iter().any(|name| below(&path, name));
            if outside && !PURE_MAY_USE.iter().any(|allowed| below(&path, allowed)) {
                faults.push(format!("{}:{line}: {path}", file.path));
            }
        }
        for (number, line) in file.text.lines().enumerate() {
            if ["println!", "print!(", "dbg!", "asm!"].iter().any(|word| line.contains(word)) {
                faults.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    report("base, wire and stack use what only a system has", faults);
}

#[test]
fn the_library_does_not_call_itself() {
    let mut faults = Vec::new();
    for file in rust_files().iter().filter(|f| f.room().is_some() && !f.only_tests()) {
        for (path, line) in paths(file) {
            if LIBRARY_MAY_NOT_USE.iter().any(|name| below(&path, name)) {
                faults.push(format!("{}:{line}: {path}", file.path));
            }
        }
    }
    report("these would come back to our own exports under LD_PRELOAD", faults);
}

/// Faults of `measured` sizes against a limit and a list of exceptions.
fn sizes(measured: &[(String, usize)], limit: usize, exceptions: &[(&str, usize)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, lines) in measured {
        let allowed = exceptions.iter().find(|(n, _)| n == name).map_or(limit, |(_, n)| *n);
        if *lines > allowed {
            faults.push(format!("{name}: {lines} lines, {allowed} are allowed"));
        }
    }
    for (name, allowed) in exceptions {
        let lines = measured.iter().filter(|(n, _)| n == name).map(|(_, l)| *l).max();
        if lines.is_none_or(|lines| lines <= limit) || *allowed <= limit {
            faults.push(format!("{name} needs no exception any more: take it off the list"));
        }
    }
    faults
}

#[test]
fn files_are_short() {
    let measured: Vec<_> =
        rust_files().iter().map(|f| (f.path.clone(), f.text.lines().count())).collect();
    report("files too long", sizes(&measured, FILE_LINES, LONG_FILES));
}

/// The lengths of all functions of a file, each with the path of the file in front.
struct Functions {
    file: String,
    found: Vec<(String, usize)>,
}

impl Functions {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let lines = block.span().end().line + 1 - signature.span().start().line;
        self.found.push((format!("{} {}", self.file, signature.ident), lines));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[test]
fn functions_are_short() {
    let mut measured = Vec::new();
    for file in rust_files() {
        let mut functions = Functions { file: file.path.clone(), found: Vec::new() };
        functions.visit_file(&file.syntax());
        measured.extend(functions.found);
    }
    report("functions too long", sizes(&measured, FUNCTION_LINES, LONG_FUNCTIONS));
}

#[test]
fn lines_fit() {
    let mut faults = Vec::new();
    let mut files = rust_files();
    collect(&root().join("c-examples"), &[".c", ".h", ".py"], &mut files);
    collect(&root().join("tests"), &[".c", ".py"], &mut files);
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            // A row of a table cannot be cut.
            if columns > COLUMNS && !line.trim_start().starts_with("//! |") {
                faults.push(format!("{}:{}: {columns} columns", file.path, number + 1));
            }
        }
    }
    report("lines too long", faults);
}

#[test]
fn modules_say_what_they_are() {
    let opens = |f: &File| f.text.trim_start().starts_with("//!");
    let faults = rust_files().iter().filter(|f| !opens(f)).map(|f| f.path.clone()).collect();
    report("files that do not open with //!", faults);
}

/// Where a file says `unsafe`: line, and whether it is a block (which has to be explained).
#[derive(Default)]
struct Unsafe(Vec<(usize, bool)>);

impl<'ast> Visit<'ast> for Unsafe {
    fn visit_expr_unsafe(&mut self, expr: &'ast syn::ExprUnsafe) {
        self.0.push((expr.span().start().line, true));
        visit::visit_expr_unsafe(self, expr);
    }
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.unsafety.is_some() {
            self.0.push((item.impl_token.span().start().line, true));
        }
        visit::visit_item_impl(self, item);
    }
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if signature.unsafety.is_some() {
            self.0.push((signature.span().start().line, false));
        }
        visit::visit_signature(self, signature);
    }
}

/// Whether the lines in front of line `at` (from 1), or it itself, explain why it is sound.
fn explained(lines: &[&str], at: usize) -> bool {
    let before = lines[..at].iter().rev().take(8);
    before.into_iter().any(|line| line.contains("SAFETY:"))
}

#[test]
fn unsafe_stays_in_its_rooms() {
    let mut faults = Vec::new();
    for file in rust_files() {
        let mut found = Unsafe::default();
        found.visit_file(&file.syntax());
        let allowed = file.room().is_some_and(|room| UNSAFE_ROOMS.contains(&room))
            || UNSAFE_FOLDERS.iter().any(|folder| file.path.starts_with(folder));
        let lines: Vec<_> = file.text.lines().collect();
        for (line, block) in found.0 {
            if !allowed {
                faults.push(format!("{}:{line}: unsafe outside its rooms", file.path));
            } else if block && !explained(&lines, line) {
                faults.push(format!("{}:{line}: unsafe without // SAFETY:", file.path));
            }
        }
    }
    report("unsafe", faults);
}

#[test]
fn nothing_is_left_undone() {
    // Spelled in two parts, so that this file does not find itself.
    let words = [
        concat!("to", "do!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX "),
        concat!("unimple", "mented!("),
    ];
    let mut files = rust_files();
    collect(&root().join("docs"), &[".md", ".toml"], &mut files);
    let mut faults = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                faults.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    report("left undone", faults);
}

#[test]
fn ci_runs_what_the_readme_says() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let ci = read(".ci/run");
    let commands: Vec<_> = ci
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("cd "))
        .collect();
    assert_eq!(commands, ["exec tests/run"], ".ci/run");
    assert!(read("README.md").lines().any(|line| line.trim() == "tests/run"), "README.md");
}

#[test]
fn the_header_speaks_c() {
    let header = std::fs::read_to_string(root().join("include/understudy.h")).unwrap();
    let mut faults = Vec::new();
    for (number, line) in header.lines().enumerate() {
        // Links and paths of Rust, its types, and the marks of its documentation.
        let foreign = ["`", "::", "[us_", "# Safety", "# Errors", "UserSlice", "Option<", "Errno"];
        if foreign.iter().any(|word| line.contains(word)) {
            faults.push(format!("include/understudy.h:{}: {line}", number + 1));
        }
    }
    report("the C header speaks Rust", faults);
    assert!(header.contains("us_socket("), "the header declares nothing");
}

#[path = "tidy/compiled.rs"]
mod compiled;
#[path = "tidy/cycles.rs"]
mod cycles;
