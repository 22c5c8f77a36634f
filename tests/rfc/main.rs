//! Which rule of which RFC is shown by which test: the page `docs/RFC.md`, made from the list in
//! `sections.txt` and from the comments of the tests themselves ("RFC 9293 3.5.2" in the comment
//! above a test or inside it). `UNDERSTUDY_WRITE=1 cargo test --test rfc` writes the page anew.
mod cite;

use cite::{Rule, citations};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The page.
const PAGE: &str = "docs/RFC.md";

/// A test: its file from the root, and its name.
type Test = (String, String);

/// An RFC as `sections.txt` has it.
struct Rfc {
    number: u32,
    title: String,
    /// Section and what it asks.
    sections: Vec<(String, String)>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The tests of a file, those in macros included: name, and the lines that each takes, from its
/// comment to its end.
fn tests(lines: &[&str]) -> Vec<(String, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.trim() == "#[test]") {
        let indent = &line[..line.len() - line.trim_start().len()];
        let above = |l: &&&str| l.trim_start().starts_with("//") || l.trim_start().starts_with("#");
        let from = at - lines[..at].iter().rev().take_while(above).count();
        let name = lines[at..].iter().find_map(|l| l.trim_start().strip_prefix("fn "));
        let name = name.unwrap_or_default().split('(').next().unwrap_or_default();
        let closing = format!("{indent}}}");
        let end = lines[at..].iter().position(|l| **l == closing).map_or(lines.len(), |n| at + n);
        found.push((name.to_string(), from..end));
    }
    found
}

/// Comments of a stretch of lines, without their slashes, as one text: citations may wrap.
fn comments(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        if let Some((_, comment)) = line.split_once("//") {
            text.push_str(comment.trim_start_matches(['/', '!']).trim());
            text.push(' ');
        } else {
            text.push_str(". ");
        }
    }
    text
}

/// Every rule that a test cites.
fn cited() -> BTreeMap<Rule, BTreeSet<Test>> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    rust_files(&root().join("tests"), &mut files);
    let mut out: BTreeMap<Rule, BTreeSet<Test>> = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        for (test, taken) in tests(&lines) {
            for rule in citations(&comments(&lines[taken])) {
                out.entry(rule).or_default().insert((name.clone(), test.clone()));
            }
        }
    }
    out
}

fn rfcs() -> Vec<Rfc> {
    let text = std::fs::read_to_string(root().join("tests/rfc/sections.txt")).unwrap();
    let mut out: Vec<Rfc> = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (head, tail) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
        if let Some(number) = head.strip_prefix("RFC ") {
            let number = number.parse().unwrap_or_else(|_| panic!("{line}"));
            out.push(Rfc { number, title: tail.to_string(), sections: Vec::new() });
        } else {
            let rfc = out.last_mut().expect("an RFC comes before its sections");
            rfc.sections.push((head.to_string(), tail.to_string()));
        }
    }
    out
}

/// `section` is `rule` or lies within it.
fn within(section: &str, rule: &str) -> bool {
    section.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn list(tests: &BTreeSet<&Test>) -> String {
    let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, name) in tests {
        by_file.entry(file).or_default().push(name);
    }
    let files = by_file.iter().map(|(file, names)| {
        let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
        format!("{file}: {}", names.join(", "))
    });
    files.collect::<Vec<_>>().join("; ")
}

fn page() -> String {
    let cited = cited();
    let rfcs = rfcs();
    let mut body = String::new();
    let (mut all, mut shown) = (0, 0);
    for rfc in &rfcs {
        let mine: Vec<(&str, &BTreeSet<Test>)> = cited
            .iter()
            .filter(|(rule, _)| rule.rfc == rfc.number)
            .map(|(rule, tests)| (rule.section.as_str(), tests))
            .collect();
        writeln!(body, "\n## RFC {}: {}\n", rfc.number, rfc.title).unwrap();
        writeln!(body, "| section | what it asks | shown by |\n|---|---|---|").unwrap();
        let mut placed = BTreeSet::new();
        for (section, what) in &rfc.sections {
            // The most exact entry of the list takes a citation.
            let takes = |cited: &str| {
                within(cited, section)
                    && !rfc
                        .sections
                        .iter()
                        .any(|(other, _)| other.len() > section.len() && within(cited, other))
            };
            let tests: BTreeSet<&Test> =
                mine.iter().filter(|m| takes(m.0)).flat_map(|m| m.1).collect();
            placed.extend(mine.iter().filter(|m| takes(m.0)).map(|m| m.0));
            all += 1;
            shown += usize::from(!tests.is_empty());
            let tests = if tests.is_empty() { "no test".to_string() } else { list(&tests) };
            writeln!(body, "| {section} | {what} | {tests} |").unwrap();
        }
        let rest: BTreeSet<&Test> =
            mine.iter().filter(|m| !placed.contains(m.0)).flat_map(|m| m.1).collect();
        if rfc.sections.is_empty() || !rest.is_empty() {
            all += usize::from(rfc.sections.is_empty());
            shown += usize::from(rfc.sections.is_empty() && !rest.is_empty());
            let tests = if rest.is_empty() { "no test".to_string() } else { list(&rest) };
            writeln!(body, "| other | | {tests} |").unwrap();
        }
    }
    let others: BTreeMap<u32, BTreeSet<&Test>> = cited
        .iter()
        .filter(|(rule, _)| rfcs.iter().all(|rfc| rfc.number != rule.rfc))
        .fold(BTreeMap::new(), |mut map, (rule, tests)| {
            map.entry(rule.rfc).or_insert_with(BTreeSet::new).extend(tests);
            map
        });
    writeln!(body, "\n## Cited by tests besides\n\n| RFC | tests |\n|---|---|").unwrap();
    for (rfc, tests) in others {
        writeln!(body, "| {rfc} | {} |", list(&tests)).unwrap();
    }
    let how =
        "Generated by `UNDERSTUDY_WRITE=1 cargo test --test rfc` from the comments of the tests;";
    let list = "the list of sections is `tests/rfc/sections.txt`.";
    format!("# RFC coverage\n\n{how}\n{list} {shown} of {all} have a test.\n{body}")
}

#[test]
fn the_page_is_true() {
    let page = page();
    let path = root().join(PAGE);
    if std::env::var_os("UNDERSTUDY_WRITE").is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let new: Vec<&str> = page.lines().filter(|l| !committed.contains(l)).collect();
    assert!(
        page == committed,
        "{PAGE} is stale: run `UNDERSTUDY_WRITE=1 cargo test --test rfc`. New lines:\n{}",
        new.join("\n")
    );
}
