//! Lines, areas and texts on a page: what the pictures are made of.
use super::font;

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// The page.
pub const PAPER: Colour = Colour(255, 255, 255);
/// Text and axes.
pub const INK: Colour = Colour(34, 34, 34);
/// What should stay in the background.
pub const GREY: Colour = Colour(118, 118, 118);
/// Lines of a grid.
pub const FAINT: Colour = Colour(228, 228, 228);
/// Okabe and Ito's colours, in an order that suits lines on white.
pub const SERIES: [Colour; 7] = [
    Colour(0, 114, 178),
    Colour(213, 94, 0),
    Colour(0, 158, 115),
    Colour(204, 121, 167),
    Colour(230, 159, 0),
    Colour(86, 180, 233),
    Colour(90, 90, 90),
];
/// Losses.
pub const LOSS: Colour = Colour(200, 30, 30);

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub colour: Colour,
    /// Its width.
    pub width: f64,
    /// Lengths of dash and gap.
    pub dash: Option<(f64, f64)>,
}

impl Stroke {
    /// A full line.
    pub fn full(colour: Colour, width: f64) -> Stroke {
        Stroke { colour, width, dash: None }
    }
    /// A dashed line.
    pub fn dashed(colour: Colour, width: f64) -> Stroke {
        Stroke { colour, width, dash: Some((4.0, 3.0)) }
    }
}

/// Which point of a text is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its start.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// A text on one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Where: the anchor, on the baseline.
    pub at: (f64, f64),
    /// See there.
    pub anchor: Anchor,
    /// Of the font.
    pub size: f64,
    /// Bold.
    pub bold: bool,
    /// Its colour.
    pub colour: Colour,
    /// The words.
    pub text: String,
    /// Degrees, clockwise, around the anchor.
    pub angle: f64,
    /// Paper around the letters, so that lines do not run through them.
    pub halo: bool,
}

/// Something on the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A line through points.
    Line(Vec<(f64, f64)>, Stroke),
    /// A filled polygon; the number is its opacity.
    Area(Vec<(f64, f64)>, Colour, f64),
    /// A filled circle: centre and radius.
    Dot((f64, f64), f64, Colour),
    /// A text.
    Text(Text),
}

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// What it says, for those who cannot see it.
    pub title: String,
    /// What is on it, in order.
    pub shapes: Vec<Shape>,
}

impl Text {
    /// Upright, in ink.
    pub fn new(at: (f64, f64), size: f64, text: impl Into<String>) -> Text {
        Text {
            at,
            anchor: Anchor::Start,
            size,
            bold: false,
            colour: INK,
            text: text.into(),
            angle: 0.0,
            halo: false,
        }
    }
    /// In another colour.
    pub fn colour(self, colour: Colour) -> Text {
        Text { colour, ..self }
    }
    /// With another anchor.
    pub fn anchor(self, anchor: Anchor) -> Text {
        Text { anchor, ..self }
    }
    /// Bold.
    pub fn bold(self) -> Text {
        Text { bold: true, ..self }
    }
    /// Turned, with a halo.
    pub fn along(self, angle: f64) -> Text {
        Text { angle, halo: true, ..self }
    }
    /// How far the start is in front of the anchor.
    pub(super) fn before_anchor(&self) -> f64 {
        let width = font::width(&self.text, self.size, self.bold);
        match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        }
    }
}

/// The width of a text.
pub fn width(text: &str, size: f64) -> f64 {
    font::width(text, size, false)
}

impl Scene {
    /// An empty page.
    pub fn new(width: f64, height: f64, title: &str) -> Scene {
        Scene { width, height, title: title.into(), shapes: Vec::new() }
    }
    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.shapes.push(Shape::Line(vec![from, to], stroke));
    }
    /// A text.
    pub fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }
    /// An upright cross.
    pub fn cross(&mut self, at: (f64, f64), size: f64, colour: Colour) {
        let ((x, y), r) = (at, size / 2.0);
        self.line((x - r, y - r), (x + r, y + r), Stroke::full(colour, 2.0));
        self.line((x - r, y + r), (x + r, y - r), Stroke::full(colour, 2.0));
    }
    /// An arrow.
    pub fn arrow(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let len = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / len, dy / len);
        let (long, wide) = (8.0, 3.2);
        let foot = (to.0 - ux * long, to.1 - uy * long);
        self.line(from, foot, stroke);
        let tip = vec![
            to,
            (foot.0 - uy * wide, foot.1 + ux * wide),
            (foot.0 + uy * wide, foot.1 - ux * wide),
        ];
        self.shapes.push(Shape::Area(tip, stroke.colour, 1.0));
    }
}
