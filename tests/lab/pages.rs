//! The pictures of docs/LAB.md.
use std::path::Path;
use understudy::lab::experiments::find;

/// Which picture comes from which experiment.
const PICTURES: [(&str, &str, &[&str]); 7] = [
    ("handshake", "handshake", &[]),
    ("transfer", "transfer", &[]),
    ("close-normal", "close", &[]),
    ("fast-retransmit", "fast-retransmit", &[]),
    ("reno", "reno", &[]),
    ("cubic", "cubic", &["algorithms=reno,cubic,bbr", "loss=0.2"]),
    ("sliding-window", "sliding-window", &[]),
];

/// `UNDERSTUDY_WRITE=1 cargo test --test lab pages` draws them; otherwise they are there, and the
/// page shows each.
#[test]
fn the_pages_pictures_are_there() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let write = std::env::var_os("UNDERSTUDY_WRITE").is_some();
    let page = std::fs::read_to_string(docs.join("LAB.md")).expect("docs/LAB.md");
    for (name, experiment, given) in PICTURES {
        let path = docs.join(format!("lab/{name}.svg"));
        if write {
            let given: Vec<String> = given.iter().map(|s| s.to_string()).collect();
            let experiment = find(experiment).expect("it exists");
            let report = experiment.with(&given, 1, None).expect("the settings are right");
            let picture = report.pictures.iter().find(|p| p.name() == name);
            std::fs::create_dir_all(docs.join("lab")).expect("docs/lab");
            std::fs::write(&path, picture.expect("it is drawn").svg()).expect("it is written");
        }
        let svg = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(svg.starts_with("<svg ") && svg.len() < 120_000, "{}", path.display());
        assert!(page.contains(&format!("(lab/{name}.svg)")), "docs/LAB.md does not show {name}");
    }
}
