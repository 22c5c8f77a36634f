//! `understudy up` and `understudy down`: nets that stay until they are told to go.
use crate::advice::advice;
use crate::nets::{self, Wanted};
use crate::{control, engine};
use anyhow::Result;
use rustix::io::Errno;
use std::process::ExitCode;
use std::time::Duration;
use understudy::protocol::request::Request;

/// Arguments of `up`.
#[derive(clap::Args)]
pub struct UpArgs {
    /// The net's TOML file
    file: String,
}

/// Arguments of `down`.
#[derive(clap::Args)]
pub struct DownArgs {
    /// The net's name
    name: String,
}

/// Longer than an engine lingers.
const PATIENCE: Duration = Duration::from_secs(15);

/// `understudy up FILE`.
pub fn up(args: UpArgs) -> Result<ExitCode> {
    let Wanted::New { text, config } = nets::read(&args.file)? else {
        return Ok(ExitCode::FAILURE);
    };
    let name = &config.name;
    let process = engine::spawn(&text, name, &args.file, true)?;
    say!("net {name} is up (engine {}, log {})", process.pid(), process.log().display());
    for link in &config.links {
        say!("  link {}", link.spec);
    }
    say!("  next: understudy run --net {name} -- CMD");
    Ok(ExitCode::SUCCESS)
}

/// `understudy down NAME`.
pub fn down(args: DownArgs) -> Result<ExitCode> {
    let name = &args.name;
    let Some(brief) = nets::running(name)? else {
        let what = format!("no net named {name} is up");
        return Err(advice(what, "`understudy status` lists nets"));
    };
    if nets::lives_elsewhere(name) && control::connect(&brief)?.is_none() {
        control::reach(&brief)?;
    }
    let Some(control) = control::connect(&brief)? else {
        // Killed: what it left behind would only mislead.
        nets::forget(name);
        say!("net {name} had no engine any more; its file is gone now");
        return Ok(ExitCode::SUCCESS);
    };
    control.order(&Request::Stop).map_err(|e| match e {
        Errno::PERM => advice(
            format!("net {name} belongs to another user"),
            "run this as its owner or as root",
        ),
        other => anyhow::Error::from(other).context(format!("net {name} does not answer")),
    })?;
    if !control.wait_for_end(PATIENCE) {
        let what = format!("net {name} has not ended after {} s", PATIENCE.as_secs());
        return Err(advice(what, "`understudy status` shows its engine's process"));
    }
    nets::forget_log(name);
    say!("net {name} is down");
    Ok(ExitCode::SUCCESS)
}
