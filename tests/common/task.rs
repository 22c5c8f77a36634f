//! Starting real programs, waiting for them with a bound, and never leaving one behind.
use super::wait::{LIMIT, wait_within};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A program about to be run.
pub struct Task {
    command: Command,
    title: String,
    logs: PathBuf,
    limit: Duration,
    input: Option<Vec<u8>>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// What was run.
    pub title: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

/// A program that runs; it and its children in the same process group end when this is dropped.
pub struct Program {
    child: Child,
    title: String,
    out: PathBuf,
    err: PathBuf,
    ended: Option<ExitStatus>,
}

impl Task {
    /// `argv`, with its output to files in `logs`.
    pub fn new(argv: &[impl AsRef<str>], title: &str, logs: &Path) -> Task {
        let mut command = Command::new(argv[0].as_ref());
        command.args(argv[1..].iter().map(AsRef::as_ref));
        command.process_group(0);
        command.env("LC_ALL", "C").env_remove("http_proxy").env_remove("HTTP_PROXY");
        // Cargo's, in which linked programs would find a library of another build.
        command.env_remove("LD_LIBRARY_PATH");
        Task { command, title: title.into(), logs: logs.into(), limit: LIMIT * 2, input: None }
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Task {
        self.command.env(name, value);
        self
    }

    /// More arguments.
    pub fn args(mut self, args: &[&str]) -> Task {
        self.command.args(args);
        self
    }

    /// Starts in this folder.
    pub fn folder(mut self, folder: &Path) -> Task {
        self.command.current_dir(folder);
        self
    }

    /// Gives it these bytes as standard input (an empty one otherwise).
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Task {
        self.input = Some(bytes.into());
        self
    }

    /// How long it may take (a minute otherwise).
    pub fn within(mut self, limit: Duration) -> Task {
        self.limit = limit;
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Program {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let short: String = self.title.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let stem = format!("{number:03}-{}", &short[..short.len().min(24)]);
        let out = self.logs.join(format!("{stem}.out"));
        let err = self.logs.join(format!("{stem}.err"));
        let stdin = match self.input {
            // From a file, so that nobody has to stand at a pipe.
            Some(bytes) => {
                let path = self.logs.join(format!("{stem}.in"));
                std::fs::write(&path, bytes).unwrap();
                Stdio::from(File::open(path).unwrap())
            }
            None => Stdio::null(),
        };
        let child = self
            .command
            .stdin(stdin)
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", self.title));
        Program { child, title: self.title, out, err, ended: None }
    }

    /// Runs it to its end; fails the test if that does not come in time.
    pub fn finish(self) -> Finished {
        let limit = self.limit;
        self.start().finish_within(limit)
    }

    /// Runs it to its end, which has to be a success; its standard output.
    pub fn ok(self) -> String {
        self.finish().ok()
    }
}

impl Finished {
    /// Asserts success; standard output as text.
    pub fn ok(self) -> String {
        assert!(self.status.success(), "{self}");
        self.text()
    }
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
    /// Standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finished { title, status, .. } = self;
        let signal = status.signal().map(|s| format!(" by signal {s}")).unwrap_or_default();
        writeln!(f, "`{title}` ended with {status}{signal}")?;
        writeln!(f, "--- stdout\n{}", tail(&self.text()))?;
        writeln!(f, "--- stderr\n{}", tail(&self.errors()))
    }
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(4000);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

impl Program {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.id(), signal);
    }

    /// Kills it with -9 and takes its remains; its group stays.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended = self.child.wait().ok();
    }

    /// Kills the whole group with -9.
    pub fn kill_group(&mut self) {
        let _ = kill_process_group(self.id(), Signal::KILL);
        self.ended = self.child.wait().ok();
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended.is_none()
    }

    /// What it has written so far to both of its outputs.
    pub fn said(&self) -> String {
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into();
        let (out, err): (String, String) = (read(&self.out), read(&self.err));
        out + &err
    }

    /// Waits until it has said `words`; fails the test if it ends first.
    pub fn wait_until_it_says(&mut self, words: &str) {
        let said = wait_within(LIMIT, || {
            let alive = self.alive();
            let said = self.said().contains(words);
            (said || !alive).then_some(said)
        });
        assert!(said == Some(true), "`{}` never said {words:?}:\n{}", self.title, self.said());
    }

    /// Waits for its end within the usual limit.
    pub fn finish(self) -> Finished {
        self.finish_within(LIMIT * 2)
    }

    /// Waits for its end; fails the test if it does not come in time.
    pub fn finish_within(mut self, limit: Duration) -> Finished {
        if wait_within(limit, || (!self.alive()).then_some(())).is_none() {
            let said = self.said();
            panic!("`{}` did not end within {limit:?}; it said:\n{}", self.title, tail(&said));
        }
        Finished {
            title: self.title.clone(),
            status: self.ended.unwrap(),
            stdout: std::fs::read(&self.out).unwrap_or_default(),
            stderr: std::fs::read(&self.err).unwrap_or_default(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.said();
            let _ = writeln!(std::io::stderr(), "--- {} said:\n{}", self.title, tail(&said));
        }
        let _ = kill_process_group(self.id(), Signal::TERM);
        let gentle = wait_within(Duration::from_secs(3), || (!self.alive()).then_some(()));
        let _ = kill_process_group(self.id(), Signal::KILL);
        if gentle.is_none() {
            let _ = self.child.wait();
        }
    }
}
