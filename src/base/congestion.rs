//! The names of the congestion control algorithms, which programs, nets and the stack all use.
//!
//! To add one: its file in `stack/tcp/congestion/`, and there a line in `ALGORITHMS`; here its name
//! (the compiler says if the two lists differ).

/// What `TCP_CONGESTION` and `congestion = ".."` take. The first is the default.
pub const NAMES: [&str; 5] = ["cubic", "bbr", "reno", "newreno", "tahoe"];

/// The default, as Linux's.
pub const DEFAULT: &str = NAMES[0];

/// The name as it is kept here; `None` if no algorithm has it.
pub fn find(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| *known == name)
}

/// A name as a number: FNV-1a of its bytes. It says the same to a program and to an engine that
/// know different lists.
pub const fn code(name: &str) -> u32 {
    let (bytes, mut hash, mut i) = (name.as_bytes(), 0x811c_9dc5_u32, 0);
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash
}

/// The name of that number.
pub fn of_code(number: u32) -> Option<&'static str> {
    NAMES.into_iter().find(|name| code(name) == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_one_to_one() {
        for name in NAMES {
            assert_eq!((find(name), of_code(code(name))), (Some(name), Some(name)));
        }
        assert_eq!((find("vegas"), of_code(0)), (None, None));
        assert_eq!(DEFAULT, "cubic");
    }
}
