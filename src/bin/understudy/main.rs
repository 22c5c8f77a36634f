//! The command-line tool: one file for each command.
//!
//! | file | what |
//! |---|---|
//! | `run`, `up`, `down` | programs in nets, and nets that stay |
//! | `status`, `ss`, `capture` | what goes on |
//! | `doctor`, `demo`, `install` | whether it can work, what it looks like, where it goes |
//! | `nets`, `engine`, `control`, `library` | shared: nets by arguments and by name, engine processes, the control channel, where the library is |
//!
//! Messages say what happened and, behind `next:`, what to do about it.
#![deny(unsafe_code)]

mod advice;
mod doctor;
mod elf;
//mod install;
mod library;
mod nets;
mod run;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Programs on a user-space TCP/IP stack: unmodified, by LD_PRELOAD.
#[derive(Parser)]
#[command(name = "understudy", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command in a net (default: the net `local`, loopback only).
    Run(run::Args),
    /// Say whether a command can run on Understudy, and the way out if it cannot.
    Doctor(doctor::Args),
    //Install(install::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let usual = if matches!(cli.command, Command::Run(_)) { run::FAILED } else { 1 };
    let result = match cli.command {
        Command::Run(args) => run::main(args),
        Command::Doctor(args) => doctor::main(args),
        //Command::Install(args) => install::main(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("understudy: {error:#}");
        ExitCode::from(advice::exit_code(&error, usual))
    })
}
