//! Pictures: what a run looked like, as SVG, as PNG, and in a terminal.
//!
//! A [`Picture`] is a [`ladder::Ladder`] or a [`chart::Chart`]. Both lay themselves out as a
//! [`scene::Scene`] of lines and texts, which `svg` writes and `raster` paints; for the terminal
//! they have their own forms. Texts are measured with the font that the PNG is painted with
//! (DejaVu Sans), so labels do not run into each other.
//!
//! Colours are those of Okabe and Ito, which the colour-blind can tell apart.
pub mod chart;
mod chart_text;
mod font;
pub mod ladder;
mod ladder_text;
mod raster;
pub mod scene;
mod svg;
mod terminal;
mod ticks;

pub use terminal::Terminal;

use chart::Chart;
use ladder::Ladder;

/// A picture.
#[derive(Clone, Debug)]
pub enum Picture {
    /// Segments between lifelines.
    Ladder(Ladder),
    /// Values over something.
    Chart(Chart),
}

impl Picture {
    /// The stem of its file's name.
    pub fn name(&self) -> &str {
        match self {
            Picture::Ladder(ladder) => &ladder.name,
            Picture::Chart(chart) => &chart.name,
        }
    }

    fn scene(&self) -> scene::Scene {
        match self {
            Picture::Ladder(ladder) => ladder.scene(),
            Picture::Chart(chart) => chart.scene(),
        }
    }

    /// As SVG.
    pub fn svg(&self) -> String {
        svg::write(&self.scene())
    }

    /// As PNG, twice as large in pixels as the SVG in its units. `None` if it is too large.
    pub fn png(&self) -> Option<Vec<u8>> {
        raster::png(&self.scene(), 2.0)
    }

    /// As lines of text.
    pub fn text(&self, terminal: Terminal) -> String {
        match self {
            Picture::Ladder(ladder) => ladder_text::write(ladder, terminal),
            Picture::Chart(chart) => chart_text::write(chart, terminal),
        }
    }
}
