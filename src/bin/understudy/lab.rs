//! `understudy lab`: experiments in virtual time, shown here and as pictures; and the same pictures
//! from live connections (`record`).
use crate::advice::advice;
use crate::lab_record;
use anyhow::{Context, Result};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy::lab::draw::{Picture, Terminal};
use understudy::lab::experiments::{self, Experiment, Report};

/// Arguments of `lab`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    live: Option<Live>,
    /// The experiment (see --list)
    name: Option<String>,
    /// Change a parameter (again and again, or several at once)
    #[arg(short, long, value_name = "KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Write the pictures here, as SVG and PNG
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// List the experiments, or the parameters of one
    #[arg(short, long)]
    list: bool,
    /// Seed of the random generator: the same seed gives the same run
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Sequence numbers as on the wire
    #[arg(long, conflicts_with = "relative")]
    absolute: bool,
    /// Sequence numbers from 0
    #[arg(long)]
    relative: bool,
}

const EXAMPLES: &str = "\
Examples:
  understudy lab --list                     what there is
  understudy lab handshake                  see it here
  understudy lab reno --list                its parameters
  understudy lab cubic --set algorithms=reno,cubic,bbr loss=0.5 --out pictures
  understudy lab record -- curl http://127.0.0.1:8080/";

#[derive(clap::Subcommand)]
enum Live {
    /// Draw live connections: of a net, of a command, or of a capture
    Record(lab_record::Args),
}

/// `understudy lab`.
pub fn main(args: Args) -> Result<ExitCode> {
    if let Some(Live::Record(args)) = args.live {
        return lab_record::main(args);
    }
    let Some(name) = &args.name else {
        list();
        return Ok(ExitCode::SUCCESS);
    };
    let experiment = experiments::find(name).ok_or_else(|| {
        advice(format!("there is no experiment {name}"), "see them with `understudy lab --list`")
    })?;
    if args.list {
        explain(experiment);
        return Ok(ExitCode::SUCCESS);
    }
    let absolute = if args.relative { Some(false) } else { args.absolute.then_some(true) };
    let report = experiment.with(&args.set, args.seed, absolute).map_err(|what| {
        advice(what, format!("see its parameters with `understudy lab {name} --list`"))
    })?;
    show(&report);
    say!("What to see\n\n{}", wrap(experiment.what_to_see));
    if let Some(dir) = &args.out {
        write(dir, &report.pictures)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    say!("Experiments (understudy lab NAME; understudy lab NAME --list for its parameters)\n");
    for experiment in experiments::ALL {
        say!("  {:16} {}", experiment.name, experiment.about);
    }
    say!("\n  {:16} the same pictures of live connections: understudy lab record --help", "record");
}

fn explain(experiment: &Experiment) {
    say!("{}: {}\n\n{}", experiment.name, experiment.about, wrap(experiment.what_to_see));
    say!("Parameters (--set KEY=VALUE)\n");
    for p in experiment.params {
        let default = if p.default.is_empty() { "none" } else { p.default };
        let value = match p.unit.name() {
            unit if unit.contains('|') => format!("{default} ({unit})"),
            unit => format!("{default} {unit}"),
        };
        say!("  {:16} {}\n  {:16} default: {value}", p.key, p.about, "");
    }
}

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
pub fn terminal() -> Terminal {
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
fn wrap(text: &str) -> String {
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
