//! Reads citations out of comments: "RFC 9293 3.10.7.4, fifth", "RFC 7323 1.3 and 2018 2",
//! "RFC 9438 4.2 to 4.5", "RFC 6298 5.4, RFC 6675 5.1".

/// A section of an RFC; the section is empty when the whole is cited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The RFC's number.
    pub rfc: u32,
    /// As "3.10.7.4".
    pub section: String,
}

/// An RFC's number rather than a section's: three or four digits and no dot.
fn is_rfc(word: &str) -> bool {
    (3..=4).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit())
}

fn is_section(word: &str) -> bool {
    let parts = || word.split('.');
    parts().count() <= 6
        && parts().all(|p| (1..=2).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
}

/// Every rule that the text cites, in order.
pub fn citations(text: &str) -> Vec<Rule> {
    let mut out = Vec::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if word.trim_start_matches(['(', '"', '`']) != "RFC" {
            continue;
        }
        let mut rfc = None;
        let mut named = false;
        while let Some(&word) = words.peek() {
            let bare = word.trim_end_matches([',', ':', ';', ')', '.', '`', '"']);
            let ends = word.ends_with([':', ';', ')', '.']);
            let joins = matches!(word, "and" | "to" | "or" | "section" | "sections");
            if is_rfc(bare) {
                if let (Some(rfc), false) = (rfc, named) {
                    out.push(Rule { rfc, section: String::new() });
                }
                (rfc, named) = (bare.parse().ok(), false);
            } else if let (true, Some(rfc)) = (is_section(bare), rfc) {
                out.push(Rule { rfc, section: bare.to_string() });
                named = true;
            } else if !joins {
                break;
            }
            words.next();
            if ends {
                break;
            }
        }
        if let (Some(rfc), false) = (rfc, named) {
            out.push(Rule { rfc, section: String::new() });
        }
    }
    out
}

#[test]
fn citations_are_read() {
    let read = |text: &str| -> Vec<String> {
        citations(text).into_iter().map(|r| format!("{} {}", r.rfc, r.section)).collect()
    };
    assert_eq!(read("RFC 9293 3.10.7.4, fifth: x"), ["9293 3.10.7.4"]);
    assert_eq!(read("with RFC 7323 1.3 and 2018 2. More"), ["7323 1.3", "2018 2"]);
    assert_eq!(read("(RFC 9438 4.2 to 4.5) RFC 768: x"), ["9438 4.2", "9438 4.5", "768 "]);
    assert_eq!(read("RFC 6298 5.4, RFC 6675 5.1; 12 more"), ["6298 5.4", "6675 5.1"]);
    assert_eq!(read("RFC 9293 figure 8 and 3.5: both"), ["9293 "]);
    assert_eq!(read("no RFC here, 3.5"), [] as [&str; 0]);
}
