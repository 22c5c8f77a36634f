//! A scene as SVG 1.1, with as few bytes as are needed.
use super::scene::{Anchor, Colour, PAPER, Scene, Shape, Stroke, Text};
use std::fmt::Write;

/// The whole document.
pub(super) fn write(scene: &Scene) -> String {
    let (w, h) = (number(scene.width), number(scene.height));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
         viewBox=\"0 0 {w} {h}\" font-family=\"DejaVu Sans,Verdana,sans-serif\">\n\
         <title>{}</title>\n<rect width=\"{w}\" height=\"{h}\" fill=\"{}\"/>\n",
        escape(&scene.title),
        hex(PAPER)
    );
    for shape in &scene.shapes {
        // Writing to a String cannot fail.
        let _ = match shape {
            Shape::Line(points, stroke) => line(&mut out, points, stroke),
            Shape::Area(points, colour, opacity) => {
                let fill = hex(*colour);
                let seen = match *opacity {
                    full if full >= 1.0 => String::new(),
                    part => format!(" fill-opacity=\"{part:.2}\""),
                };
                let path = path(points);
                writeln!(out, "<path d=\"{path}Z\" fill=\"{fill}\"{seen}/>")
            }
            Shape::Dot((x, y), r, colour) => {
                let (x, y, r) = (number(*x), number(*y), number(*r));
                let fill = hex(*colour);
                writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"{fill}\"/>")
            }
            Shape::Text(t) => text(&mut out, t),
        };
    }
    out.push_str("</svg>\n");
    out
}

fn line(out: &mut String, points: &[(f64, f64)], stroke: &Stroke) -> std::fmt::Result {
    let dash = match stroke.dash {
        Some((on, off)) => format!(" stroke-dasharray=\"{} {}\"", number(on), number(off)),
        None => String::new(),
    };
    writeln!(
        out,
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{dash}/>",
        path(points),
        hex(stroke.colour),
        number(stroke.width)
    )
}

fn text(out: &mut String, t: &Text) -> std::fmt::Result {
    let (x, y) = (number(t.at.0), number(t.at.1));
    write!(out, "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"", number(t.size))?;
    match t.anchor {
        Anchor::Start => {}
        Anchor::Middle => out.push_str(" text-anchor=\"middle\""),
        Anchor::End => out.push_str(" text-anchor=\"end\""),
    }
    if t.bold {
        out.push_str(" font-weight=\"bold\"");
    }
    if t.angle != 0.0 {
        write!(out, " transform=\"rotate({} {x} {y})\"", number(t.angle))?;
    }
    if t.halo {
        let paper = hex(PAPER);
        write!(out, " stroke=\"{paper}\" stroke-width=\"3\" paint-order=\"stroke\"")?;
    }
    writeln!(out, " fill=\"{}\">{}</text>", hex(t.colour), escape(&t.text))
}

fn path(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    for (n, (x, y)) in points.iter().enumerate() {
        let command = match n {
            0 => "M",
            1 => "L",
            _ => " ",
        };
        let _ = write!(out, "{command}{} {}", number(*x), number(*y));
    }
    out
}

/// With one decimal at most.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn hex(Colour(r, g, b): Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
