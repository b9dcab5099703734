//! What holds for the tokens of every format.

use std::cell::Cell;

use caudal::access::{Asking, Carrier, Format, Found, Refusal, Source, Token};

use super::request::CARRIERS;

thread_local! {
    static BELIEVED: Cell<usize> = const { Cell::new(0) };
}

/// How many tokens were believed in this thread's requests.
pub(super) fn count() -> usize {
    BELIEVED.get()
}

/// Looks for tokens in every carrier of a request, and shows those whose signature is right to `check`.
pub(super) fn believed(
    format: &dyn Format,
    asking: &Asking<'_>,
    check: impl Fn(Carrier, &Found<'_>, &Token),
) {
    for carrier in CARRIERS {
        let Ok(Some(found)) = format.find(&Source { carrier, asking }) else {
            continue;
        };
        let Ok(token) = format.verify(&found) else {
            continue;
        };
        BELIEVED.set(BELIEVED.get() + 1);
        let _ = token.terms.permit(asking);
        renews(format, &found, &token);
        check(carrier, &found, &token);
    }
}

/// The token that was put into a request; it has to be believed there.
pub(super) fn accepted(format: &dyn Format, source: &Source<'_>) -> Token {
    let found = format
        .find(source)
        .expect("a token that was minted can be read");
    let found = found.expect("a token that was minted is found");
    let token = format
        .verify(&found)
        .expect("a token that was minted is believed");
    let _ = token.terms.permit(source.asking);
    renews(format, &found, &token);
    token
}

/// Why a token that was put into a request is not believed; `None` where there is none, and where it is.
pub(super) fn refusal(format: &dyn Format, source: &Source<'_>) -> Option<Refusal> {
    match format.find(source) {
        Ok(found) => format.verify(&found?).err(),
        Err(why) => Some(why),
    }
}

/// A token with one character changed to another; which, the token and the seed decide.
pub(super) fn with_a_change(token: &str, seed: usize) -> String {
    let at = seed.wrapping_mul(31) % token.chars().count();
    let changed = token.chars().enumerate().map(|(place, char)| match char {
        char if place != at => char,
        'a' => 'b',
        _ => 'a',
    });
    changed.collect()
}

/// A renewed token says what the old one said, with the later end, and no token is renewed to an end that is not later.
fn renews(format: &dyn Format, found: &Found<'_>, token: &Token) {
    let Some(end) = token.expires else { return };
    assert_eq!(format.renew(found, token, end), None);
    let later = end.saturating_add(60);
    let Some(text) = format.renew(found, token, later) else {
        return;
    };
    let again = Found {
        token: text.into(),
        bound: found.bound.clone(),
    };
    let renewed = format.verify(&again).expect("a renewed token is believed");
    assert_eq!(renewed.expires, Some(later));
    let said = |token: &Token| {
        let ids = [&token.id, &token.viewer, &token.session].map(Option::clone);
        (
            ids,
            token.not_before,
            token.issued,
            token.replay,
            format!("{:?}", token.terms),
        )
    };
    assert_eq!(said(&renewed), said(token));
}
