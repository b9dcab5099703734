//! What is kept, what goes, and what never comes back.

use super::*;
use crate::access::limits::tests::token;

fn found<'a>(token: &'a str, bound: &'a str) -> Found<'a> {
    Found {
        token: token.into(),
        bound: bound.into(),
    }
}

fn digest(number: usize) -> Digest {
    Digest::of(1, 0, &found(&number.to_string(), ""))
}

fn ending(expires: Option<i64>) -> Arc<Token> {
    let mut token = token([Some("u"), Some("t"), None]);
    token.expires = expires;
    Arc::new(token)
}

fn verified(entries: usize, bytes: usize) -> Verified {
    Verified::new(NonZeroUsize::new(entries).unwrap(), bytes)
}

#[test]
fn a_token_is_found_under_its_own_digest_only() {
    let verified = verified(10, 1 << 20);
    let kept = ending(None);
    verified.insert(digest(1), Arc::clone(&kept), 100);
    let again = verified.get(&digest(1), 0).unwrap();
    assert!(Arc::ptr_eq(&again, &kept));
    assert!(verified.get(&digest(2), 0).is_none());
}

#[test]
fn everything_that_verification_depends_on_changes_the_digest() {
    let all = [
        Digest::of(1, 0, &found("ab", "c")),
        Digest::of(2, 0, &found("ab", "c")),
        Digest::of(1, 1, &found("ab", "c")),
        Digest::of(1, 0, &found("a", "bc")),
        Digest::of(1, 0, &found("abc", "")),
        Digest::of(1, 0, &found("", "abc")),
        Digest::of(1, 0, &found("ab", "d")),
        Digest::of(0, 1, &found("ab", "c")),
    ];
    let different: std::collections::HashSet<_> = all.into_iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(all[0], Digest::of(1, 0, &found("ab", "c")));
}

#[test]
fn what_an_old_generation_puts_in_late_is_never_found() {
    let verified = verified(10, 1 << 20);
    let old = Digest::of(1, 0, &found("a", ""));
    verified.clear();
    verified.insert(old, ending(None), 1);
    assert!(
        verified
            .get(&Digest::of(2, 0, &found("a", "")), 0)
            .is_none()
    );
}

#[test]
fn a_token_stays_a_while_beyond_its_end_then_leaves() {
    let verified = verified(10, 1 << 20);
    verified.insert(digest(1), ending(Some(1000)), 100);
    assert!(verified.get(&digest(1), 1000 + LINGER - 1).is_some());
    assert!(verified.get(&digest(1), 1000 + LINGER).is_none());
    assert_eq!((verified.len(), verified.bytes()), (0, 0));
    verified.insert(digest(2), ending(Some(i64::MAX)), 100);
    assert!(verified.get(&digest(2), i64::MAX - 1).is_some());
}

#[test]
fn expired_tokens_leave_without_being_asked_for() {
    let verified = verified(10_000, 1 << 30);
    for number in 0..100 {
        let expires = if number < 60 { Some(1000) } else { None };
        verified.insert(digest(number), ending(expires), 100);
    }
    verified.forget_expired(1000 + LINGER - 1);
    assert_eq!(verified.len(), 100);
    verified.forget_expired(1000 + LINGER);
    assert_eq!(
        (verified.len(), verified.bytes()),
        (40, 40 * (OVERHEAD + COPIES * 100))
    );
}

#[test]
fn their_number_is_bounded() {
    for entries in [1, 100, 10_000] {
        let verified = verified(entries, usize::MAX);
        for number in 0..30_000 {
            verified.insert(digest(number), ending(None), 100);
        }
        let len = verified.len();
        assert!(len <= entries && len > entries / 2, "{len} of {entries}");
    }
}

#[test]
fn their_bytes_are_bounded_and_counted_right() {
    let each = OVERHEAD + COPIES * 1000;
    for most in [each, 10 * each, 10_000 * each] {
        let verified = verified(100_000, most);
        for number in 0..20_000 {
            verified.insert(digest(number), ending(None), 1000);
            // The same once more: it takes its own place.
            verified.insert(digest(number), ending(None), 1000);
        }
        assert!(verified.bytes() <= most);
        assert_eq!(verified.bytes(), verified.len() * each);
        verified.clear();
        assert_eq!((verified.len(), verified.bytes()), (0, 0));
    }
}

#[test]
fn a_token_too_large_pushes_nothing_out() {
    let verified = verified(10, 2000);
    verified.insert(digest(1), ending(None), 100);
    verified.insert(digest(2), ending(None), 2000);
    verified.insert(digest(3), ending(None), usize::MAX);
    assert!(verified.get(&digest(1), 0).is_some());
    assert_eq!(verified.len(), 1);
}

#[test]
fn the_one_unused_for_longest_goes_first() {
    let verified = verified(2, 1 << 20);
    verified.insert(digest(1), ending(None), 1);
    verified.insert(digest(2), ending(None), 1);
    assert!(verified.get(&digest(1), 0).is_some());
    verified.insert(digest(3), ending(None), 1);
    let kept = [1, 2, 3].map(|number| verified.get(&digest(number), 0).is_some());
    assert_eq!(kept, [true, false, true]);
}

#[test]
fn a_use_is_known_by_the_tokens_id_and_by_nothing_else() {
    let of = |names| Digest::of_use(&token(names));
    assert_eq!(
        of([Some("u"), Some("t"), Some("s")]),
        of([None, Some("t"), None])
    );
    assert_ne!(of([None, Some("t"), None]), of([None, Some("v"), None]));
    assert_eq!(of([Some("u"), None, Some("s")]), None);
    assert_eq!(of([Some("u"), Some(""), Some("s")]), None);
}

#[test]
fn formatting_shows_no_token() {
    let verified = verified(10, 1 << 20);
    verified.insert(Digest::of(1, 0, &found("hidden", "")), ending(None), 6);
    assert_eq!(
        format!("{verified:?} {:?}", digest(1)),
        "Verified { shards: Shards(1), forgeries: Forgeries } Digest"
    );
}
