//! Import cycles inside the rooms: which file uses which, and the groups of files that use each
//! other in a circle.
//!
//! A path counts for the file that defines what it names: through `pub use` in a `mod.rs` it leads
//! to the file behind. So a `mod.rs` that only declares its children and passes their names on is
//! in no cycle; one that uses a child, while that child uses something of the `mod.rs`, is.
//! Calls of methods name no path: a method counts for the file that names its type.
use super::{File, for_tests, report, rust_files};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

/// Files that are in a cycle today, by room. The list may only shrink.
const ALLOWED: &[(&str, &[&str])] = &[];

/// The tool: a crate of its own, with its files in this folder.
const TOOL: &str = "src/bin/understudy/";

/// One `use`, cut into a path for each name that it brings in.
struct Import {
    path: Vec<String>,
    /// What it is called here; `None` for a glob.
    name: Option<String>,
    /// It passes a name on to others.
    public: bool,
    /// Of the module in which it stands.
    module: Vec<String>,
}

/// What a file defines, imports and names.
#[derive(Default)]
struct Facts {
    module: Vec<String>,
    items: BTreeSet<String>,
    imports: Vec<Import>,
    paths: BTreeSet<(Vec<String>, Vec<String>)>,
}

impl Facts {
    fn tree(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>, public: bool) {
        let mut add = |prefix: &[String], last: Option<&syn::Ident>, name: Option<String>| {
            let last = last.map(ToString::to_string).filter(|last| last != "self");
            let path: Vec<String> = prefix.iter().cloned().chain(last).collect();
            let name = name.map(|name| match name.as_str() {
                "self" => path.last().cloned().unwrap_or_default(),
                _ => name,
            });
            self.imports.push(Import { path, name, public, module: self.module.clone() });
        };
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix, public);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(item, prefix, public));
            }
            syn::UseTree::Name(name) => {
                add(prefix, Some(&name.ident), Some(name.ident.to_string()))
            }
            syn::UseTree::Rename(as_) => {
                add(prefix, Some(&as_.ident), Some(as_.rename.to_string()))
            }
            syn::UseTree::Glob(_) => add(prefix, None, None),
        }
    }
}

/// Attributes and name of an item that has a name.
fn name_of(item: &syn::Item) -> Option<(&[syn::Attribute], String)> {
    Some(match item {
        syn::Item::Const(i) => (&i.attrs, i.ident.to_string()),
        syn::Item::Enum(i) => (&i.attrs, i.ident.to_string()),
        syn::Item::Fn(i) => (&i.attrs, i.sig.ident.to_string()),
        syn::Item::Macro(i) => (&i.attrs, i.ident.as_ref()?.to_string()),
        syn::Item::Static(i) => (&i.attrs, i.ident.to_string()),
        syn::Item::Struct(i) => (&i.attrs, i.ident.to_string()),
        syn::Item::Trait(i) => (&i.attrs, i.ident.to_string()),
        syn::Item::Type(i) => (&i.attrs, i.ident.to_string()),
        syn::Item::Union(i) => (&i.attrs, i.ident.to_string()),
        _ => return None,
    })
}

impl<'ast> Visit<'ast> for Facts {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if let Some((attributes, name)) = name_of(item) {
            if for_tests(attributes) {
                return;
            }
            self.items.insert(name);
        }
        if !matches!(item, syn::Item::Impl(i) if for_tests(&i.attrs)) {
            visit::visit_item(self, item);
        }
    }
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !for_tests(&item.attrs) {
            let public = !matches!(item.vis, syn::Visibility::Inherited);
            self.tree(&item.tree, &mut Vec::new(), public);
        }
    }
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !for_tests(&item.attrs) && item.content.is_some() {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.paths.insert((self.module.clone(), segments));
        }
        visit::visit_path(self, path);
    }
}

/// The files of one crate, by module.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Vec<String>, (String, Facts)>,
}

impl Crate {
    fn add(&mut self, file: &File, folder: &str) {
        let inside = file.path.trim_start_matches(folder).trim_end_matches(".rs");
        let inside = inside.trim_end_matches("/mod");
        let module: Vec<String> = match inside {
            "lib" | "main" => Vec::new(),
            _ => inside.split('/').map(str::to_owned).collect(),
        };
        let mut facts = Facts { module: module.clone(), ..Facts::default() };
        facts.visit_file(&file.syntax());
        self.files.insert(module, (file.path.clone(), facts));
    }

    /// `path`, as it stands in `module`, from the root of the crate. `None`: it leads out of it.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let (mut base, mut rest) = (module.to_vec(), path);
        match rest.first().map(String::as_str)? {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" | "super" => {
                while let Some(word @ ("self" | "super")) = rest.first().map(String::as_str) {
                    if word == "super" {
                        base.pop();
                    }
                    rest = &rest[1..];
                }
            }
            child => {
                base.push(child.to_owned());
                if !self.files.contains_key(&base) {
                    return None;
                }
                rest = &rest[1..];
            }
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// The module whose file defines what an absolute path names.
    fn owner(&self, path: &[String], depth: usize) -> Option<Vec<String>> {
        let known = (0..=path.len()).rev().find(|&n| self.files.contains_key(&path[..n]))?;
        let (module, facts) = (&path[..known], &self.files[&path[..known]].1);
        let Some(name) = path.get(known) else { return Some(module.to_vec()) };
        if depth == 0 || facts.items.contains(name) {
            return Some(module.to_vec());
        }
        let from = |import: &Import, more: &[String]| {
            let mut path = self.absolute(&import.module, &import.path)?;
            path.extend(more.iter().cloned());
            self.owner(&path, depth - 1)
        };
        if let Some(import) = facts.imports.iter().find(|i| i.name.as_ref() == Some(name)) {
            return from(import, &path[known + 1..]).or_else(|| Some(module.to_vec()));
        }
        let defines = |owner: &Vec<String>| self.files[owner].1.items.contains(name);
        let globs = facts.imports.iter().filter(|i| i.name.is_none());
        let found = globs.filter_map(|i| from(i, &path[known..])).find(defines);
        Some(found.unwrap_or_else(|| module.to_vec()))
    }

    /// Which modules the file of `module` uses.
    fn uses(&self, module: &[String]) -> BTreeSet<Vec<String>> {
        let facts = &self.files[module].1;
        let imports = facts.imports.iter().filter_map(|import| {
            let path = self.absolute(&import.module, &import.path)?;
            let own = path.starts_with(module) && path.len() > module.len();
            (!(import.public && own)).then_some(path)
        });
        let paths = facts.paths.iter().filter_map(|(at, path)| self.absolute(at, path));
        let owners = imports.chain(paths).filter_map(|path| self.owner(&path, 8));
        owners.filter(|owner| owner != module).collect()
    }

    /// The groups of two and more files of each room that reach each other, by room.
    fn cycles(&self, room: impl Fn(&[String]) -> Option<String>) -> Vec<(String, Vec<String>)> {
        let inside = |module: &&Vec<String>| room(module).is_some();
        let edges: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = (self.files.keys())
            .filter(inside)
            .map(|from| {
                let same = |to: &Vec<String>| room(to) == room(from);
                (from, self.uses(from).into_iter().filter(same).collect())
            })
            .collect();
        let reach = |from: &Vec<String>| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = next.pop() {
                let more = edges.get(&module).into_iter().flatten();
                next.extend(more.filter(|to| seen.insert((*to).clone())).cloned());
            }
            seen
        };
        let reached: BTreeMap<_, _> = edges.keys().map(|from| (*from, reach(from))).collect();
        let mut groups = BTreeMap::new();
        for (from, to) in &reached {
            let both =
                |other: &&&Vec<String>| to.contains(**other) && reached[**other].contains(*from);
            let group: Vec<_> = reached.keys().filter(both).collect();
            if let Some(first) = group.first().filter(|_| group.len() > 1) {
                let name = |module: &&&Vec<String>| self.files[**module].0.clone();
                groups.insert((**first).clone(), group.iter().map(name).collect::<Vec<_>>());
            }
        }
        groups.into_iter().filter_map(|(first, files)| Some((room(&first)?, files))).collect()
    }
}

/// Every cycle: the room, and the files.
fn cycles() -> Vec<(String, Vec<String>)> {
    let (mut library, mut tool) = (Crate::default(), Crate::default());
    for file in rust_files().iter().filter(|file| !file.only_tests()) {
        if file.path.starts_with(TOOL) {
            tool.add(file, TOOL);
        } else if file.path.starts_with("src/") {
            library.add(file, "src/");
        }
    }
    let mut all = library.cycles(|module| module.first().cloned());
    all.extend(tool.cycles(|_| Some("bin/understudy".into())));
    all
}

#[test]
fn no_cycles_inside_rooms() {
    let found = cycles();
    let mut faults = Vec::new();
    let allowed = |room: &str| ALLOWED.iter().find(|(r, _)| *r == room).map_or(&[][..], |a| a.1);
    for (room, files) in &found {
        if files.iter().any(|file| !allowed(room).contains(&file.as_str())) {
            faults.push(format!("{room}, {} files: {}", files.len(), files.join(" ")));
        }
    }
    let still: BTreeSet<&String> = found.iter().flat_map(|(_, files)| files).collect();
    for file in ALLOWED.iter().flat_map(|(_, files)| *files) {
        if !still.contains(&file.to_string()) {
            faults.push(format!("{file} is in no cycle any more: take it off the list"));
        }
    }
    report("files use each other in a circle", faults);
}

/// The graph is what a reader of the imports would draw.
#[test]
fn cycles_are_found_and_a_mod_file_that_passes_names_on_is_in_none() {
    let mut example = Crate::default();
    let mut add = |path: &str, text: &str| {
        example.add(&File { path: format!("src/{path}"), text: text.into() }, "src/");
    };
    add("room/mod.rs", "mod a; mod b; mod c; mod d; pub use a::A; pub use d::*;");
    add("room/a.rs", "use super::b::B; pub struct A(B);");
    add("room/b.rs", "pub struct B; fn f() { let _ = super::A(B); }");
    add("room/c.rs", "use super::D; use super::A; pub struct C(A, D);");
    add("room/d.rs", "pub struct D; #[cfg(test)] mod tests { use super::super::c::C; }");
    add("room/deep/mod.rs", "mod e; use e::E; pub struct Deep(E);");
    add("room/deep/e.rs", "pub struct E; impl E { fn f(_: &super::Deep) {} }");
    let group = |files: &[&str]| {
        ("room".to_owned(), files.iter().map(|f| format!("src/room/{f}")).collect::<Vec<_>>())
    };
    assert_eq!(
        example.cycles(|module| module.first().cloned()),
        [group(&["a.rs", "b.rs"]), group(&["deep/mod.rs", "deep/e.rs"])]
    );
}
