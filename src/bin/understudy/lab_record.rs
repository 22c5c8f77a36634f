//! `understudy lab record`: ladders and charts of live connections.
use anyhow::Result;
use std::process::ExitCode;

/// Arguments of `lab record`.
#[derive(clap::Args)]
pub struct Args {}

/// `understudy lab record`.
pub fn main(_args: Args) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
