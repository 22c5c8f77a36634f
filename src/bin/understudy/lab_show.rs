//! How `lab` and `lab record` show what they have: text in the terminal, pictures in files.
use anyhow::{Context, Result};
use std::io::IsTerminal;
use std::path::Path;
use understudy::lab::draw::{Picture, Terminal};
use understudy::lab::experiments::Report;

/// Facts and pictures, on the standard output.
pub fn show(report: &Report) {
    let terminal = terminal();
    for picture in &report.pictures {
        say!("{}", picture.text(terminal));
    }
    if !report.facts.is_empty() {
        say!("Measured\n");
        for fact in &report.facts {
            say!("  {fact}");
        }
        say!("");
    }
}

/// How wide the terminal is, and whether it takes colours (https://no-color.org).
fn terminal() -> Terminal {
    let out = std::io::stdout();
    let is_terminal = out.is_terminal();
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let size = rustix::termios::tcgetwinsize(&out).ok().map(|s| usize::from(s.ws_col));
    let width = columns.or(size.filter(|w| is_terminal && *w > 0)).unwrap_or(100);
    let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
    Terminal { width, colour: is_terminal && !plain && !dumb }
}

/// Each picture as SVG and PNG.
pub fn write(dir: &Path, pictures: &[Picture]) -> Result<()> {
    let failed = |path: &Path| format!("{} cannot be written", path.display());
    std::fs::create_dir_all(dir).with_context(|| failed(dir))?;
    for picture in pictures {
        let svg = dir.join(format!("{}.svg", picture.name()));
        std::fs::write(&svg, picture.svg()).with_context(|| failed(&svg))?;
        let mut names = svg.display().to_string();
        if let Some(bytes) = picture.png() {
            let png = svg.with_extension("png");
            std::fs::write(&png, bytes).with_context(|| failed(&png))?;
            names.push_str(&format!(", {}", png.display()));
        }
        say!("wrote {names}");
    }
    Ok(())
}

/// Sentences in lines that fit.
pub fn wrap(text: &str) -> String {
    let width = terminal().width.clamp(40, 90);
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if column > 0 && column + 1 + len > width - 2 {
            out.push('\n');
            column = 0;
        }
        out.push_str(if column == 0 { "  " } else { " " });
        out.push_str(word);
        column += len + 1;
    }
    out + "\n"
}
