//! Lists good and bad.

use proptest::prelude::*;

use super::*;
use crate::access::limits::tests::token;

const NOW: i64 = 1_800_000_000;

fn parse(text: &str) -> Result<Revocations, Error> {
    Revocations::parse(text, NOW)
}

fn problem(line: &str) -> Problem {
    match parse(line).unwrap_err() {
        Error::Line { line: 1, problem } => problem,
        error => panic!("{error}"),
    }
}

#[test]
fn each_kind_of_line_revokes_its_own_kind() {
    for (text, expected) in [
        ("viewer u", [true, false, false, false]),
        ("token u", [false, true, false, false]),
        ("session u", [false, false, true, false]),
        ("key u", [false, false, false, false]),
        ("key k", [true, true, true, true]),
        ("", [false, false, false, false]),
    ] {
        let list = parse(text).unwrap();
        let revoked = [
            [Some("u"), None, None],
            [None, Some("u"), None],
            [None, None, Some("u")],
            [None, None, None],
        ];
        let revoked = revoked.map(|names| list.is_revoked(&token(names)));
        assert_eq!(revoked, expected, "{text}");
    }
}

#[test]
fn comments_blank_lines_and_line_ends_of_windows_are_read() {
    let list =
        parse("\u{feff}# a\r\n\r\n  token\ta1 # leaked\r\n\tviewer b2#not-a-comment\r\ntoken c3")
            .unwrap();
    assert_eq!(list.len(), 3);
    assert!(list.is_revoked(&token([None, Some("a1"), None])));
    assert!(list.is_revoked(&token([Some("b2#not-a-comment"), None, None])));
    assert!(list.is_revoked(&token([None, Some("c3"), None])));
}

#[test]
fn an_id_in_quotes_may_hold_anything() {
    let list = parse(r##"viewer "Jane \"J\" Doe #1" until=2099-01-01T00:00:00Z # vip"##).unwrap();
    assert!(list.is_revoked(&token([Some("Jane \"J\" Doe #1"), None, None])));
}

#[test]
fn a_line_is_forgotten_from_its_time_on() {
    for (until, kept) in [
        ("2027-01-15T08:00:00Z", 0),
        ("2027-01-15T08:00:01Z", 1),
        ("2027-01-15T09:00:00+01:00", 0),
        ("2027-01-15T09:00:01+01:00", 1),
        ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z", 1),
    ] {
        let list = parse(&format!("token a until={until}")).unwrap();
        assert_eq!(list.len(), kept, "{until}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named_with_its_fix() {
    for (line, expected) in [
        ("tokens a", Problem::Word),
        ("Token a", Problem::Word),
        ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", Problem::Word),
        ("token", Problem::NoId),
        ("token   ", Problem::NoId),
        ("token # a", Problem::NoId),
        ("token \"\"", Problem::NoId),
        ("token until=2030-01-01T00:00:00Z", Problem::NoId),
        ("token \"a", Problem::Quotes),
        ("token \"\\x\"", Problem::Quotes),
        ("token \"a\"b", Problem::Extra),
        ("token \"a\"#b", Problem::Extra),
        ("token a b", Problem::Extra),
        ("token a until=2030-01-01T00:00:00Z b", Problem::Extra),
        ("token a until=", Problem::Until),
        ("token a until=2030-01-01", Problem::Until),
        ("token a until=2030-02-30T00:00:00Z", Problem::Until),
        ("session eyJhbGciOiJIUzI1NiJ9.e30.c2ln", Problem::WholeToken),
    ] {
        assert_eq!(problem(line), expected, "{line}");
    }
    assert_eq!(
        problem(&format!("token {}", "a".repeat(513))),
        Problem::LongId
    );
    assert_eq!(
        parse(&format!("token {}", "a".repeat(512))).unwrap().len(),
        1
    );
    let message = parse("token a\n\ntoken b c").unwrap_err().to_string();
    assert_eq!(
        message,
        "line 3 of the list of revocations has more than an id and until=: put an id that has spaces in quotes, and # \
         before a comment"
    );
}

#[test]
fn a_list_beyond_its_bounds_is_refused() {
    assert!(parse(&"\n".repeat(MOST_LINES)).is_ok());
    assert_eq!(
        parse(&"\n".repeat(MOST_LINES + 1)).unwrap_err(),
        Error::TooLong
    );
    assert_eq!(
        parse(&" ".repeat(LARGEST_FILE + 1)).unwrap_err(),
        Error::TooLarge
    );
}

#[test]
fn formatting_shows_nobody() {
    let list = parse("viewer jane\ntoken t1").unwrap();
    assert_eq!(
        format!("{list:?}"),
        "Revocations { tokens: 1, sessions: 0, viewers: 1, keys: 0 }"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "((token|session|viewer|key|\"|#|until=|\\\\|.)[ \t\n]?){0,40}") {
        let _ = parse(&text);
    }

    #[test]
    fn every_id_in_quotes_is_revoked(id in ".{1,100}") {
        prop_assume!(!id.starts_with("until=") && !id.starts_with("eyJ"));
        let quoted = serde_json::to_string(&id).unwrap();
        let list = parse(&format!("session {quoted}")).unwrap();
        prop_assert!(list.is_revoked(&token([None, None, Some(&id)])));
        prop_assert_eq!(list.len(), 1);
    }
}
