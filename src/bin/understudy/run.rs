//! `understudy run`: a command in a net.
use crate::advice::advice_code;
use crate::nets::{NetArgs, Wanted};
use crate::{doctor, library};
use anyhow::Result;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use understudy::net::brief::Brief;

/// Arguments of `run`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    net: NetArgs,
    /// Run even if `doctor` says that the command would pass the preload by
    #[arg(long)]
    anyway: bool,
    /// The command
    #[arg(
        required = true,
        value_name = "CMD",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
}

/// Our own failure, as env(1), timeout(1) and others have it.
pub const FAILED: u8 = 125;
/// The command was found, and cannot be run.
const CANNOT_RUN: u8 = 126;
/// The command was not found.
const NOT_FOUND: u8 = 127;

/// `understudy run -- CMD`: ends with the status of the command.
pub fn main(args: Args) -> Result<ExitCode> {
    let mut command = prepare(&args)?;
    // Without an engine there is nothing to wait for: the command takes our place.
    Err(start_error(&args.command[0], &command.exec()))
}

fn prepare(args: &Args) -> Result<Command> {
    let library = library::find()?;
    check(args)?;
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    let brief = match args.net.wanted()? {
        Wanted::Local => Brief::local(),
        Wanted::Running(brief) => brief,
        Wanted::New { config, .. } => config.brief(crate::nets::uid()),
    };
    library::preload(&mut command, &library, &brief);
    Ok(command)
}

/// Refuses commands that would silently speak through the host's network.
fn check(args: &Args) -> Result<()> {
    if args.anyway {
        return Ok(());
    }
    for finding in doctor::program(&args.command[0]) {
        if let doctor::Finding::Bad(what, next) = finding {
            let missing = what.starts_with("there is no") || what.ends_with("(os error 2)");
            let code = if missing { NOT_FOUND } else { CANNOT_RUN };
            return Err(advice_code(code, what, next));
        }
    }
    Ok(())
}

fn start_error(name: &OsString, error: &std::io::Error) -> anyhow::Error {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_RUN,
    };
    let what = format!("{} cannot be run: {error}", name.to_string_lossy());
    advice_code(code, what, "`understudy doctor CMD` says what is wrong with it")
}
