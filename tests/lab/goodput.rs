//! The committed table of goodput is what the code does.
use std::path::Path;

/// A change of TCP that changes what arrives has to change docs/GOODPUT.md.
#[test]
fn goodput_table_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/GOODPUT.md");
    let now = understudy::lab::goodput::table();
    if std::env::var_os("UNDERSTUDY_WRITE").is_some() {
        std::fs::write(&path, &now).expect("docs/GOODPUT.md cannot be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "docs/GOODPUT.md is not what happens now; if that is meant, write it anew with \
         UNDERSTUDY_WRITE=1 cargo test --test lab goodput\n{now}"
    );
}
