//! A chart in a terminal: braille dots in colours, or letters where there are none.
use super::Terminal;
use super::chart::{Chart, Panel, Style};
use super::ticks::{label, ticks};

/// Rows of a panel.
const ROWS: usize = 14;
/// Columns of the vertical axis.
const AXIS: usize = 10;
/// ANSI colours for the palette.
const ANSI: [u8; 7] = [34, 31, 32, 35, 33, 36, 37];
/// Without colours.
const LETTERS: [char; 7] = ['*', 'o', '+', 'x', '#', '@', '%'];
/// The dots of a braille cell, by row and column, of U+2800.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// The text, with a newline at the end of each row.
pub(super) fn write(chart: &Chart, terminal: Terminal) -> String {
    let columns = terminal.width.clamp(50, 140) - AXIS - 2;
    let mut out = format!("{}\n", chart.title);
    for panel in &chart.panels {
        out.push_str(&format!("\n{}\n", panel.axis));
        out.push_str(&legend(panel, terminal));
        out.push_str(&plot(chart, panel, columns, terminal));
    }
    out.push_str(&axis(chart, columns));
    out
}

fn coloured(colour: u8, text: &str, terminal: Terminal) -> String {
    if terminal.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_string() }
}

fn legend(panel: &Panel, terminal: Terminal) -> String {
    let mut parts = Vec::new();
    for series in &panel.series {
        let n = series.colour % LETTERS.len();
        let sign = if terminal.colour { '\u{2501}' } else { LETTERS[n] };
        parts.push(coloured(ANSI[n], &format!("{sign} {}", series.label), terminal));
    }
    for marks in &panel.marks {
        parts.push(coloured(91, &format!("! {}", marks.label), terminal));
    }
    format!("{:AXIS$}  {}\n", "", parts.join("   "))
}

/// One cell: which dots, whose.
#[derive(Clone, Copy, Default)]
struct Cell {
    dots: u8,
    series: Option<usize>,
    mark: bool,
}

fn plot(chart: &Chart, panel: &Panel, columns: usize, terminal: Terminal) -> String {
    let limit = panel.limit();
    let mut cells = vec![vec![Cell::default(); columns]; ROWS];
    let (wide, tall) = (columns * 2, ROWS * 4);
    for series in &panel.series {
        let mut before: Option<(f64, f64)> = None;
        for (x, y) in &series.points {
            let at = (
                chart.place(*x).clamp(0.0, 1.0) * (wide - 1) as f64,
                (1.0 - (y / limit).clamp(0.0, 1.0)) * (tall - 1) as f64,
            );
            let dots = match (before, series.style) {
                (None, _) | (_, Style::Dots) => vec![at],
                (Some(from), Style::Line | Style::Theory) => between(from, at),
                (Some(from), Style::Step | Style::Dashed | Style::Area) => {
                    [between(from, (at.0, from.1)), between((at.0, from.1), at)].concat()
                }
            };
            for (x, y) in dots {
                let (x, y) = (x.round() as usize, y.round() as usize);
                let cell = &mut cells[y / 4][x / 2];
                cell.dots |= DOTS[y % 4][x % 2];
                cell.series = Some(series.colour % LETTERS.len());
            }
            before = Some(at);
        }
    }
    for x in panel.marks.iter().flat_map(|m| &m.at) {
        let column = (chart.place(*x).clamp(0.0, 1.0) * (columns - 1) as f64).round() as usize;
        cells[0][column].mark = true;
    }
    let mut labels = vec![String::new(); ROWS];
    let places = ticks(0.0, limit, 5);
    let step = places.get(1).copied().unwrap_or(1.0);
    for y in places {
        let row = ((1.0 - y / limit) * (ROWS - 1) as f64).round() as usize;
        labels[row] = label(y, step);
    }
    let mut out = String::new();
    for (text, row) in labels.iter().zip(&cells) {
        let tick = if text.is_empty() { '\u{2502}' } else { '\u{2524}' };
        let line: String = row.iter().map(|cell| show(*cell, terminal)).collect();
        out.push_str(format!("{text:>AXIS$} {tick}{line}").trim_end());
        out.push('\n');
    }
    out
}

fn show(cell: Cell, terminal: Terminal) -> String {
    match (cell.mark, cell.series) {
        (true, _) => coloured(91, "!", terminal),
        (_, Some(n)) if terminal.colour => {
            let dots = char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or(' ');
            coloured(ANSI[n], &dots.to_string(), terminal)
        }
        (_, Some(n)) => LETTERS[n].to_string(),
        (false, None) => " ".to_string(),
    }
}

/// Points of a straight line.
fn between(from: (f64, f64), to: (f64, f64)) -> Vec<(f64, f64)> {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
    let part =
        |n: f64| (from.0 + (to.0 - from.0) * n / steps, from.1 + (to.1 - from.1) * n / steps);
    (0..=steps as usize).map(|n| part(n as f64)).collect()
}

fn axis(chart: &Chart, columns: usize) -> String {
    let mut line = vec!['\u{2500}'; columns];
    let mut below = vec![' '; columns + 12];
    let mut free = 0;
    for (x, text) in chart.x_ticks() {
        let at = (chart.place(x).clamp(0.0, 1.0) * (columns - 1) as f64).round() as usize;
        line[at] = '\u{252c}';
        let start = at.saturating_sub(text.chars().count() / 2);
        if start >= free {
            for (n, letter) in text.chars().enumerate() {
                below[start + n] = letter;
            }
            free = start + text.chars().count() + 1;
        }
    }
    let (line, below) = (line.iter().collect::<String>(), below.iter().collect::<String>());
    let text = format!("{:AXIS$} \u{2514}{line}\n{:AXIS$}  {}\n", "", "", below.trim_end());
    let middle = AXIS + 2 + columns / 2;
    let name = &chart.axis;
    text + &format!("{name:>0$}\n", middle + name.chars().count() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::draw::chart::{Marks, Series};

    #[test]
    fn a_line_goes_up() {
        let points = (0..=10).map(|n| (f64::from(n), f64::from(n) * 2.0)).collect();
        let chart = Chart {
            title: "up".into(),
            axis: "time (s)".into(),
            panels: vec![Panel {
                axis: "segments".into(),
                series: vec![Series::new("cwnd", 0, Style::Line, points)],
                marks: vec![Marks { label: "loss".into(), at: vec![5.0], colour: None }],
                top: None,
            }],
            ..Chart::default()
        };
        let text = write(&chart, Terminal { width: 80, colour: false });
        assert!(text.lines().all(|row| row.chars().count() <= 80), "{text}");
        assert!(text.contains("* cwnd") && text.contains('!') && !text.contains('\u{1b}'));
        let first = text.lines().position(|l| l.contains('\u{2524}')).unwrap();
        let column = |row: &str| row.find('*');
        let rows: Vec<&str> = text.lines().skip(first).take(ROWS).collect();
        assert!(column(rows[ROWS - 1]) < column(rows[3]), "{text}");
    }
}
