//! A ladder as lines of text: one row for each packet, states and times at the outside.
use super::Terminal;
use super::ladder::{Arrow, Kind, Ladder, StateMark};
use std::collections::BTreeMap;

const STATE: usize = 13;
const TIME: usize = 10;

/// The text, with a newline at the end of each row.
pub(super) fn write(ladder: &Ladder, terminal: Terminal) -> String {
    let (left, right) = margins(ladder);
    let lines = ladder.lines.len().max(2);
    let room = terminal.width.clamp(60, 160).saturating_sub(left + right + lines);
    let gap = (room / (lines - 1)).max(18);
    let mut out = format!("{}\n\n", ladder.title);
    out.push_str(&heads(ladder, left, gap));
    let (rows, states) = assign(ladder);
    if let Some(marks) = states.get(&None) {
        out.push_str(&state_row(marks, left, gap, lines));
    }
    for (number, arrow) in rows {
        let marks = states.get(&Some(number)).map(Vec::as_slice).unwrap_or_default();
        out.push_str(&row(arrow, marks, terminal, (left, gap, lines)));
    }
    if ladder.left_out > 0 {
        out.push_str(&format!("{:left$}  {} more packets are not shown\n", "", ladder.left_out));
    }
    out
}

/// Columns left and right of the lifelines.
fn margins(ladder: &Ladder) -> (usize, usize) {
    let wide = |first: bool| {
        let all = ladder.states.iter().filter(|s| (s.line == 0) == first);
        all.map(|s| s.state.chars().count()).max().unwrap_or(0).max(if first { 0 } else { 1 })
    };
    (wide(true).min(2 * STATE) + 1 + TIME + 1, wide(false).min(2 * STATE) + 1 + TIME + 1)
}

fn heads(ladder: &Ladder, left: usize, gap: usize) -> String {
    let mut text = String::new();
    for (number, name) in ladder.lines.iter().enumerate() {
        let middle = left + number * (gap + 1);
        let start = middle.saturating_sub(name.chars().count() / 2);
        let used = text.chars().count();
        text.push_str(&" ".repeat(start.saturating_sub(used)));
        text.push_str(name);
    }
    text + "\n"
}

type ByRow<'a> = BTreeMap<Option<usize>, Vec<&'a StateMark>>;

/// Arrows by time, and for each the states that its sending or arrival brought about.
fn assign(ladder: &Ladder) -> (Vec<(usize, &Arrow)>, ByRow<'_>) {
    let mut rows: Vec<(usize, &Arrow)> = ladder.arrows.iter().enumerate().collect();
    rows.sort_by(|a, b| a.1.sent.total_cmp(&b.1.sent).then(a.0.cmp(&b.0)));
    let mut states: ByRow<'_> = BTreeMap::new();
    let same = |a: f64, b: f64| (a - b).abs() < 1e-9;
    for mark in &ladder.states {
        let sent = |a: &Arrow| a.from == mark.line && same(a.sent, mark.at);
        let came = |a: &Arrow| a.to == mark.line && a.arrived.is_some_and(|t| same(t, mark.at));
        let found = rows.iter().find(|(_, a)| came(a)).or(rows.iter().find(|(_, a)| sent(a)));
        // Otherwise at the last packet before, if any.
        let before = || rows.iter().rev().find(|(_, a)| a.sent <= mark.at);
        let row = found.or_else(before).map(|(number, _)| *number);
        states.entry(row).or_default().push(mark);
    }
    (rows, states)
}

fn state_row(marks: &[&StateMark], left: usize, gap: usize, lines: usize) -> String {
    let states = |first: bool| {
        let names = marks.iter().filter(|m| (m.line == 0) == first);
        names.map(|m| m.state.as_str()).collect::<Vec<_>>().join(" > ")
    };
    let bars = vec!["\u{2502}"; lines].join(&" ".repeat(gap));
    let (a, b) = (states(true), states(false));
    let width = left - TIME - 2;
    format!("{a:<width$} {:TIME$} {bars} {:TIME$} {b}", "", "").trim_end().to_string() + "\n"
}

fn row(
    arrow: &Arrow,
    marks: &[&StateMark],
    terminal: Terminal,
    (left, gap, lines): (usize, usize, usize),
) -> String {
    let of = |first: bool| {
        let names = marks.iter().filter(|m| (m.line == 0) == first);
        names.map(|m| m.state.as_str()).collect::<Vec<_>>().join(" > ")
    };
    let time = |line: usize| {
        if arrow.from == line {
            Some(arrow.sent)
        } else {
            arrow.arrived.filter(|_| arrow.to == line)
        }
    };
    let text = |t: Option<f64>| t.map_or(String::new(), |t| format!("{:.2} ms", t * 1e3));
    let (low, high) = (arrow.from.min(arrow.to), arrow.from.max(arrow.to));
    let mut bars = String::new();
    for line in 0..lines {
        bars.push('\u{2502}');
        if line + 1 == lines {
            break;
        }
        if line >= low && line < high {
            let shaft = shaft(arrow, gap);
            bars.push_str(&if terminal.colour { paint(arrow, &shaft) } else { shaft });
        } else {
            bars.push_str(&" ".repeat(gap));
        }
    }
    let (a, b) = (text(time(0)), text(time(lines - 1)));
    let width = left - TIME - 2;
    let row = format!("{:<width$} {a:>TIME$} {bars} {b:<TIME$} {}", of(true), of(false));
    row.trim_end().to_string() + "\n"
}

/// `─── SYN seq 0 ─────────▶`, `width` columns wide.
fn shaft(arrow: &Arrow, width: usize) -> String {
    let most = width.saturating_sub(6);
    let label: String = arrow.label.chars().take(most).collect();
    let rest = width.saturating_sub(label.chars().count() + 5);
    let lost = arrow.arrived.is_none();
    let line = if lost { "\u{254c}" } else { "\u{2500}" };
    let many = |n: usize| line.repeat(n);
    match (arrow.from < arrow.to, lost) {
        (true, false) => format!("{} {label} {}\u{25b6}", many(2), many(rest)),
        (false, false) => format!("\u{25c0}{} {label} {}", many(rest), many(2)),
        (true, true) => {
            let (some, none) = (rest * 2 / 3, rest - rest * 2 / 3);
            format!("{} {label} {}\u{2715}{}", many(2), many(some), " ".repeat(none))
        }
        (false, true) => {
            let (some, none) = (rest * 2 / 3, rest - rest * 2 / 3);
            format!("{}\u{2715}{} {label} {}", " ".repeat(none), many(some), many(2))
        }
    }
}

fn paint(arrow: &Arrow, text: &str) -> String {
    let colour = match (arrow.arrived, arrow.kind) {
        (None, _) | (_, Kind::Reset) => 31,
        (_, Kind::Syn) => 32,
        (_, Kind::Data) => 34,
        (_, Kind::Again) => 33,
        (_, Kind::Fin) => 35,
        (_, Kind::Ack | Kind::Other) => 90,
    };
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_who_sent_what_when() {
        let arrow = |from: usize, sent: f64, arrived, label: &str| Arrow {
            from,
            to: 1 - from,
            sent,
            arrived,
            label: label.into(),
            kind: Kind::Data,
        };
        let ladder = Ladder {
            title: "two".into(),
            lines: vec!["a".into(), "b".into()],
            arrows: vec![arrow(0, 0.0, Some(0.01), "SYN seq 0"), arrow(1, 0.01, None, "SYN ACK")],
            states: vec![StateMark { line: 1, at: 0.01, state: "SYN-RECEIVED".into() }],
            ..Ladder::default()
        };
        let text = write(&ladder, Terminal { width: 80, colour: false });
        let rows: Vec<&str> = text.lines().skip(3).collect();
        assert!(rows[0].contains("0.00 ms \u{2502}\u{2500}\u{2500} SYN seq 0 \u{2500}"), "{text}");
        assert!(rows[0].ends_with("\u{25b6}\u{2502} 10.00 ms   SYN-RECEIVED"), "{text}");
        assert!(rows[1].contains('\u{2715}') && !rows[1].contains('\u{25b6}'), "{text}");
        assert!(text.lines().all(|row| row.chars().count() <= 80), "{text}");
        let coloured = write(&ladder, Terminal { width: 80, colour: true });
        assert!(coloured.contains("\u{1b}[34m") && !text.contains('\u{1b}'));
    }
}
