//! The command-line tool, driven as a user would, and the files that it reads.
#[path = "../common/mod.rs"]
mod common;

mod demo;
mod doctor;
mod install;
mod lab;
mod nets;
mod run;
mod toml;

use std::process::{Command, Output};

/// The tool with these arguments, run to its end.
fn tool(args: &[&str]) -> Said {
    Said::from(Command::new(common::artifacts::tool()).args(args).output().expect("the tool runs"))
}

/// What a command said and how it ended.
#[derive(Debug)]
struct Said {
    /// Exit status; `None`: killed.
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(o: Output) -> Said {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Said { code: o.status.code(), out: text(&o.stdout), err: text(&o.stderr) }
    }
}

impl Said {
    /// Asserts how it ended and that each of `parts` was said.
    #[track_caller]
    fn check(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for part in parts {
            assert!(self.out.contains(part) || self.err.contains(part), "{part}: {self:#?}");
        }
    }
}
