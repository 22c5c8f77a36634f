//! `understudy lab`: experiments in virtual time, shown here and as pictures; and the same pictures
//! from live connections (`record`).
use crate::advice::advice;
use crate::lab_record;
use crate::lab_show::{show, wrap, write};
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy::lab::experiments::{self, Experiment};

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
