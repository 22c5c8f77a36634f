//! `understudy run`: a command in a net.
use crate::advice::{advice, advice_code};
use crate::nets::{NetArgs, Wanted};
use crate::{control, doctor, engine, library, signals};
use anyhow::Result;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use understudy::net::Brief;

const EXAMPLES: &str = "\
Examples:
  understudy run -- redis-server
  understudy run --link packet:eth0 --addr 10.0.0.2/24 --gateway 10.0.0.1 -- curl http://10.0.0.9/
  understudy run --link stream:/tmp/wire,delay=20ms,loss=2% --addr 10.0.0.2/24 -- iperf3 -c 10.0.0.1
  understudy run --net web.toml -- nginx";

/// Arguments of `run`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
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
    let library = library::find()?;
    if !args.anyway {
        check(&args.command[0])?;
    }
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    let brief = match args.net.wanted()? {
        Wanted::Local => Brief::local(),
        Wanted::Running(brief) => {
            control::reach(&brief)?;
            brief
        }
        Wanted::New { text, config } => {
            let brief = config.brief(crate::nets::uid());
            if config.needs_engine() {
                let file = args.net.net.as_deref().unwrap_or("command line");
                let engine = engine::spawn(&text, &config.name, file, false)?;
                // Addresses may have come by DHCP, or be somebody else's.
                let brief = control::reach(&brief)?.brief()?;
                library::preload(&mut command, &library, &brief);
                return with_engine(command, engine, &args.command[0]);
            }
            brief
        }
    };
    library::preload(&mut command, &library, &brief);
    // Without an engine of ours there is nothing to wait for: the command takes our place.
    Err(start_error(&args.command[0], &command.exec()))
}

/// Runs the command beside its engine, and ends the engine after it.
fn with_engine(mut command: Command, engine: engine::Process, name: &OsStr) -> Result<ExitCode> {
    // Signals that come from now on are for the command.
    let forwarder = signals::Forwarder::new()?;
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            engine.end()?;
            return Err(start_error(name, &error));
        }
    };
    forwarder.forward_to(&child)?;
    let status = child.wait()?;
    if let Err(error) = engine.end() {
        eprintln!("understudy: {error:#}");
    }
    Ok(exit_code(status))
}

/// As shells have it: 128 and the number of the signal.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(255);
    ExitCode::from(code as u8)
}

/// Refuses commands that would silently speak through the host's network.
fn check(command: &OsStr) -> Result<()> {
    for finding in doctor::program(command) {
        if let doctor::Finding::Bad(what, next) = finding {
            let missing = what.starts_with("there is no") || what.ends_with("(os error 2)");
            let code = if missing { NOT_FOUND } else { CANNOT_RUN };
            return Err(match missing {
                true => advice_code(code, what, next),
                false => {
                    advice_code(code, what, format!("{next}; or --anyway, on the host's network"))
                }
            });
        }
    }
    Ok(())
}

fn start_error(name: &OsStr, error: &std::io::Error) -> anyhow::Error {
    let what = format!("{} cannot be run: {error}", name.to_string_lossy());
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            advice_code(NOT_FOUND, what, "check the name, or give the whole path")
        }
        std::io::ErrorKind::ArgumentListTooLong => advice(what, "shorten it"),
        _ => advice_code(CANNOT_RUN, what, "`understudy doctor CMD` says what is wrong with it"),
    }
}
