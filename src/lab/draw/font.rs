//! Glyphs: how wide a text is, and its outlines. DejaVu Sans, from a crate, because a machine may
//! have no fonts.
use std::cell::OnceCell;
use ttf_parser::{Face, GlyphId, OutlineBuilder};

thread_local! {
    /// Regular and bold.
    static FACES: [OnceCell<Option<Face<'static>>>; 2] =
        const { [OnceCell::new(), OnceCell::new()] };
}

fn with_face<R>(bold: bool, work: impl FnOnce(&Face<'static>) -> R) -> Option<R> {
    FACES.with(|faces| {
        let load = || {
            let bytes = if bold { dejavu::sans::bold() } else { dejavu::sans::regular() };
            Face::parse(bytes, 0).ok()
        };
        faces[usize::from(bold)].get_or_init(load).as_ref().map(work)
    })
}

fn glyph(face: &Face<'_>, letter: char) -> (GlyphId, f64) {
    let id = face.glyph_index(letter).unwrap_or(GlyphId(0));
    (id, f64::from(face.glyph_hor_advance(id).unwrap_or(0)))
}

/// The width of a text, without kerning.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let units = with_face(bold, |face| {
        let sum: f64 = text.chars().map(|c| glyph(face, c).1).sum();
        sum / f64::from(face.units_per_em())
    });
    units.unwrap_or(0.6 * text.chars().count() as f64) * size
}

/// Moves outlines to their place.
struct Placed<'a> {
    path: &'a mut tiny_skia::PathBuilder,
    scale: f32,
    x: f32,
}

impl Placed<'_> {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Placed<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }
    fn close(&mut self) {
        self.path.close();
    }
}

/// The outlines of a text whose baseline starts at the origin; `None` if there is nothing to see.
pub(super) fn outline(text: &str, size: f64, bold: bool) -> Option<tiny_skia::Path> {
    let mut path = tiny_skia::PathBuilder::new();
    with_face(bold, |face| {
        let scale = size / f64::from(face.units_per_em());
        let mut x = 0.0;
        for letter in text.chars() {
            let (id, advance) = glyph(face, letter);
            let mut placed = Placed { path: &mut path, scale: scale as f32, x: x as f32 };
            face.outline_glyph(id, &mut placed);
            x += advance * scale;
        }
    });
    path.finish()
}
