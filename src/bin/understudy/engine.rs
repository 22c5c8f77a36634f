//! Engine processes: this tool started once more, with the hidden command `engine`.
//!
//! The parent writes the net's text and a NUL into the child's standard input and reads its
//! standard output to the end: `ready`, or why not. Of an engine that belongs to a command (`run`)
//! the parent keeps the input open: when that ends, whoever closed it, the engine delivers what is
//! left and ends.
use crate::advice::advice;
use crate::nets;
use anyhow::{Context, Result, anyhow, bail};
use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;
use understudy::engine::{Engine, EngineConfig, Stop};
use understudy::net::Device;
use understudy::net::file;

/// What the child says when programs can connect.
const READY: &str = "ready\n";
/// Longest text of a net that is read.
const TEXT_MAX: u64 = 1 << 20;
/// Longer than an engine lingers after it was told to end.
const END_PATIENCE: Duration = Duration::from_secs(15);

/// Arguments of the hidden `engine`.
#[derive(clap::Args)]
pub struct Args {
    /// The name of the net's file, for messages
    #[arg(long, default_value = "standard input")]
    file: String,
    /// Go on when the standard input ends
    #[arg(long)]
    stay: bool,
}

/// The engine process.
pub fn main(args: Args) -> Result<ExitCode> {
    // Ctrl-C is for the command; the engine has to outlive it.
    let _ = rustix::process::setsid();
    let filter = EnvFilter::try_from_env("UNDERSTUDY_LOG").unwrap_or_else(|_| "warn".into());
    // As long as we live the log is locked: so `nets::lives_elsewhere` knows.
    let _ = rustix::fs::flock(std::io::stderr(), FlockOperation::NonBlockingLockExclusive);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that cannot be written (the disk is full) must not end the engine: what is said of that
    // by default goes to stderr as well, which is the log.
    let log = log.log_internal_errors(false);
    log.with_ansi(std::io::stderr().is_terminal()).init();
    let engine = match start(&args) {
        Ok(engine) => engine,
        Err(error) => {
            // The parent says it to the user.
            say!("{error:#}");
            return Ok(ExitCode::FAILURE);
        }
    };
    end_on_signals(engine.stop_handle())?;
    if !args.stay {
        let stop = engine.stop_handle();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            stop.stop();
        });
    }
    print!("{READY}");
    std::io::stdout().flush()?;
    // The parent waits for the end of the output; and nobody may write there later.
    rustix::stdio::dup2_stdout(File::open("/dev/null")?)?;
    engine.run()?;
    Ok(ExitCode::SUCCESS)
}

fn start(args: &Args) -> Result<Engine> {
    let mut text = Vec::new();
    let mut input = std::io::stdin().lock().take(TEXT_MAX).bytes();
    loop {
        match input.next() {
            Some(Ok(0)) => break,
            Some(byte) => text.push(byte?),
            None => bail!("the text of the net does not end"),
        }
    }
    let net = file::parse(std::str::from_utf8(&text)?, &args.file)?;
    let mut config = EngineConfig::from_net(&net, nets::uid())?;
    config.raise_file_limit = true;
    config.runtime_dir = Some(nets::runtime_dir());
    let relative = net.links.iter().any(|l| is_relative(&l.spec.device));
    if args.stay && !relative {
        // A net that stays must not keep a file system busy.
        std::env::set_current_dir("/")?;
    }
    Ok(Engine::start(config)?)
}

/// Whether a link's path will be looked up again, from where we are now.
fn is_relative(device: &Device) -> bool {
    match device {
        Device::Stream(path) | Device::StreamListen(path) => Path::new(path).is_relative(),
        Device::Packet(_) | Device::Tap(_) => false,
    }
}

/// The first signal asks for an end with everything delivered, the second ends at once.
fn end_on_signals(stop: Stop) -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            match count {
                0 => stop.stop(),
                _ => std::process::exit(1),
            }
        }
    });
    Ok(())
}

/// A running engine.
pub struct Process {
    child: Child,
    /// Open as long as the engine shall run.
    life: Option<ChildStdin>,
    log: PathBuf,
}

/// Starts the engine of a net and waits until programs can connect. `stay`: it goes on without us.
pub fn spawn(text: &str, name: &str, file: &str, stay: bool) -> Result<Process> {
    let log = log_path(name)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("engine").arg(format!("--file={file}"));
    if stay {
        command.arg("--stay");
    }
    // The engine is on the host's network.
    command.env_remove("LD_PRELOAD").env_remove("UNDERSTUDY_NET");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(open_log(&log)?);
    let mut child = command.spawn().context("the engine cannot be started")?;
    let mut life = child.stdin.take().ok_or_else(|| anyhow!("the engine has no input"))?;
    // If it has ended already, its answer says why.
    let _ = life.write_all(text.as_bytes()).and_then(|()| life.write_all(b"\0"));
    let mut answer = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut answer)?;
    }
    if answer == READY {
        return Ok(Process { child, life: (!stay).then_some(life), log });
    }
    let status = child.wait()?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log);
    let why = match answer.trim_end() {
        "" => format!("the engine ended with {status}: {}", said.trim_end()),
        why => why.to_owned(),
    };
    Err(match why {
        why if why.contains("\n  next: ") || why.contains('\n') => anyhow!(why),
        why if why.contains("already has an engine") => advice(
            why,
            format!(
                "join it (`understudy run --net {name} -- CMD`), or `understudy down {name}` first"
            ),
        ),
        why => advice(why, "`understudy doctor --net FILE CMD` says what a net's links need"),
    })
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it says what goes wrong.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Lets it deliver what is left and end.
    pub fn end(mut self) -> Result<()> {
        drop(self.life.take());
        let until = Instant::now() + END_PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() >= until {
                let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
                break self.child.wait()?;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        if status.success() {
            let _ = std::fs::remove_file(&self.log);
            return Ok(());
        }
        let what = format!("the engine did not end well ({status})");
        Err(advice(what, format!("{} says more", self.log.display())))
    }
}

impl Drop for Process {
    /// Without [`Process::end`], after an error: the engine ends by itself, and a log that says
    /// nothing is of no use.
    fn drop(&mut self) {
        if self.life.take().is_some() && self.log.metadata().is_ok_and(|m| m.len() == 0) {
            let _ = std::fs::remove_file(&self.log);
        }
    }
}

fn log_path(name: &str) -> Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let dir = PathBuf::from(nets::runtime_dir());
    // Root's nets are found by everyone: `<name>.net` in there has its own mode.
    let mode = if nets::uid() == 0 { 0o755 } else { 0o700 };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(&dir)
        .with_context(|| format!("{} cannot be made", dir.display()))?;
    // In /tmp somebody else may have been faster.
    if dir.metadata()?.uid() != nets::uid() {
        let what = format!("{} belongs to somebody else", dir.display());
        return Err(advice(what, "set XDG_RUNTIME_DIR to a directory of yours"));
    }
    Ok(dir.join(format!("{name}.log")))
}

fn open_log(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    options.open(path).with_context(|| format!("{} cannot be written", path.display()))
}
