//! The committed table of goodput is what the code does.
use std::path::Path;

/// Rows of numbers, by what stands in front of them.
fn rows(page: &str) -> Vec<(String, Vec<f64>)> {
    let table = page.lines().filter(|line| line.contains(" ms |"));
    table
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let numbers = cells[2..].iter().map(|cell| cell.parse().expect("a number"));
            (cells[..2].join(", "), numbers.collect())
        })
        .collect()
}

/// The same within 15 %, or within noise.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= (0.15 * a.max(b)).max(0.3)
}

/// A change of TCP that changes what arrives has to change docs/GOODPUT.md.
#[test]
fn goodput_table_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/GOODPUT.md");
    let now = understudy::lab::goodput::table();
    if std::env::var_os("UNDERSTUDY_WRITE").is_some() {
        std::fs::write(&path, &now).expect("docs/GOODPUT.md cannot be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let (old, new) = (rows(&committed), rows(&now));
    let names = |rows: &[(String, Vec<f64>)]| rows.iter().map(|r| r.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&old), names(&new));
    let cells = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(*a, *b))
    };
    let same = old.iter().zip(&new).all(|(a, b)| cells((&a.1, &b.1)));
    assert!(
        same,
        "docs/GOODPUT.md is not what happens now; if that is meant, write it anew with \
         UNDERSTUDY_WRITE=1 cargo test --test lab goodput\n{now}"
    );
}
