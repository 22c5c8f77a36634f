//! A scene as PNG.
use super::font;
use super::scene::{Colour, PAPER, Scene, Shape, Stroke, Text};
use tiny_skia::{FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, StrokeDash, Transform};

/// Pixels of a picture, at most.
const PIXELS_MAX: f64 = 100e6;

/// `scale` pixels for each unit of the scene. `None` if it is empty or too large.
pub(super) fn png(scene: &Scene, scale: f64) -> Option<Vec<u8>> {
    let (width, height) = (scene.width * scale, scene.height * scale);
    if width * height > PIXELS_MAX {
        return None;
    }
    let mut pixels = Pixmap::new(width.ceil() as u32, height.ceil() as u32)?;
    let Colour(r, g, b) = PAPER;
    pixels.fill(tiny_skia::Color::from_rgba8(r, g, b, 255));
    let base = Transform::from_scale(scale as f32, scale as f32);
    for shape in &scene.shapes {
        match shape {
            Shape::Line(points, stroke) => line(&mut pixels, base, points, stroke),
            Shape::Area(points, colour, opacity) => {
                if let Some(path) = path(points, true) {
                    let paint = paint(*colour, *opacity);
                    pixels.fill_path(&path, &paint, FillRule::Winding, base, None);
                }
            }
            Shape::Dot((x, y), r, colour) => {
                if let Some(path) = PathBuilder::from_circle(*x as f32, *y as f32, *r as f32) {
                    let paint = paint(*colour, 1.0);
                    pixels.fill_path(&path, &paint, FillRule::Winding, base, None);
                }
            }
            Shape::Text(text) => write(&mut pixels, base, text),
        }
    }
    pixels.encode_png().ok()
}

fn paint(Colour(r, g, b): Colour, opacity: f64) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(r, g, b, (opacity * 255.0) as u8);
    paint
}

fn path(points: &[(f64, f64)], closed: bool) -> Option<tiny_skia::Path> {
    let mut path = PathBuilder::new();
    for (n, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if n == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    if closed {
        path.close();
    }
    path.finish()
}

fn line(pixels: &mut Pixmap, base: Transform, points: &[(f64, f64)], stroke: &Stroke) {
    let Some(path) = path(points, false) else { return };
    let dash = stroke.dash.and_then(|(on, off)| StrokeDash::new(vec![on as f32, off as f32], 0.0));
    let round = points.len() > 2;
    let how = tiny_skia::Stroke {
        width: stroke.width as f32,
        line_cap: if round { LineCap::Round } else { LineCap::Butt },
        line_join: LineJoin::Round,
        dash,
        ..tiny_skia::Stroke::default()
    };
    pixels.stroke_path(&path, &paint(stroke.colour, 1.0), &how, base, None);
}

fn write(pixels: &mut Pixmap, base: Transform, text: &Text) {
    let Some(path) = font::outline(&text.text, text.size, text.bold) else { return };
    let place = base
        .pre_translate(text.at.0 as f32, text.at.1 as f32)
        .pre_rotate(text.angle as f32)
        .pre_translate(-text.before_anchor() as f32, 0.0);
    if text.halo {
        let how = tiny_skia::Stroke {
            width: 3.0,
            line_join: LineJoin::Round,
            ..tiny_skia::Stroke::default()
        };
        pixels.stroke_path(&path, &paint(PAPER, 1.0), &how, place, None);
    }
    pixels.fill_path(&path, &paint(text.colour, 1.0), FillRule::Winding, place, None);
}
