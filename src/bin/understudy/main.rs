//! The command-line tool: one file for each command.
//!
//! | file | what |
//! |---|---|
//! | `run`, `up`, `down` | programs in nets, and nets that stay |
//! | `status`, `ss`, `capture` | what goes on |
//! | `lab`, `lab_record`, `lab_show` | experiments and live connections as pictures |
//! | `doctor`, `demo`, `install` | whether it can work, what it looks like, where it goes |
//! | `ship` | files as they are installed: stripped, in one step |
//! | `nets`, `library` | shared: nets by arguments and by name; where the library is |
//! | `engine`, `control`, `signals` | shared: engine processes, how to ask them, what they survive |
//! | `sockets`, `processes`, `describe`, `elf`, `table` | shared: what is read, and how it is shown |
//!
//! Messages say what happened and, behind `next:`, what to do about it.
#![deny(unsafe_code)]

/// `println!` for a reader that may have gone away (`understudy status | head`).
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod advice;
mod capture;
mod control;
mod demo;
mod demo_report;
mod describe;
mod doctor;
mod elf;
mod engine;
mod install;
mod lab;
mod lab_record;
mod lab_show;
mod library;
mod nets;
mod processes;
mod run;
mod ship;
mod signals;
mod sockets;
mod ss;
mod status;
mod table;
mod up;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Programs on a user-space TCP/IP stack: unmodified, by LD_PRELOAD.
#[derive(Parser)]
#[command(name = "understudy", version, about, after_help = FIRST_STEPS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  understudy demo                                see it work
  understudy doctor nginx                        can this program run on it?
  understudy run -- python3 -m http.server 8080  run it: loopback only, no privileges
  understudy run -- curl http://127.0.0.1:8080/";

#[derive(Subcommand)]
enum Command {
    /// Run a command in a net (default: the net `local`, loopback only).
    Run(run::Args),
    /// Start a net and leave it running.
    Up(up::UpArgs),
    /// End a net: what programs have written is still delivered.
    Down(up::DownArgs),
    /// List nets, or show one with its links, routes, neighbours and counters.
    Status(status::Args),
    /// List the sockets of all nets, as ss(8) lists those of the kernel.
    Ss(ss::Args),
    /// Show the frames of a net, or write them to a pcapng file.
    Capture(capture::Args),
    /// Say whether a command can run on Understudy, and the way out if it cannot.
    Doctor(doctor::Args),
    /// Two hosts in user space, a bad wire, real programs: see what TCP does about it.
    Demo(demo::Args),
    /// Experiments that show how TCP works, and pictures of live connections.
    Lab(lab::Args),
    /// Put library, header, pkg-config file and this tool where a C programmer expects them.
    Install(install::Args),
    /// The engine of a net; started by `run` and `up`.
    #[command(hide = true)]
    Engine(engine::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let usual = if matches!(cli.command, Command::Run(_)) { run::FAILED } else { 1 };
    let result = match cli.command {
        Command::Run(args) => run::main(args),
        Command::Up(args) => up::up(args),
        Command::Down(args) => up::down(args),
        Command::Demo(args) => demo::main(args),
        Command::Lab(args) => lab::main(args),
        Command::Install(args) => install::main(args),
        Command::Engine(args) => engine::main(args),
        Command::Status(args) => status::main(args),
        Command::Ss(args) => ss::main(args),
        Command::Capture(args) => capture::main(args),
        Command::Doctor(args) => doctor::main(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("understudy: {error:#}");
        ExitCode::from(advice::exit_code(&error, usual))
    })
}
