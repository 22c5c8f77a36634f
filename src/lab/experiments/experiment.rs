//! What an experiment is, and what comes out of it.
use super::settings::{Param, Settings};
use crate::lab::draw::Picture;

/// An experiment.
#[derive(Debug)]
pub struct Experiment {
    /// As it is asked for.
    pub name: &'static str,
    /// In one line.
    pub about: &'static str,
    /// In some sentences.
    pub what_to_see: &'static str,
    /// What can be set.
    pub params: &'static [Param],
    /// Runs it.
    pub run: fn(&Settings) -> Report,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// What was measured, one fact a line.
    pub facts: Vec<String>,
}

impl Experiment {
    /// Runs it with these settings (`key=value`). Errors: what is wrong with them, for a reader.
    pub fn with(
        &self,
        given: &[String],
        seed: u64,
        absolute: Option<bool>,
    ) -> Result<Report, String> {
        let settings = Settings::new(self.params, given, seed, absolute)
            .map_err(|what| format!("{}: {what}", self.name))?;
        Ok((self.run)(&settings))
    }
}
