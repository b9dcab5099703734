//! CBOR as it comes from strangers: read within bounds, one meaning for every byte string. [`read`] is the way in.

use crate::access::Refusal;
use ciborium::Value;
use ciborium_ll::{Decoder, Header};

/// Arrays, maps and tags within each other; the deepest token that says something has six.
const MAX_DEPTH: usize = 12;
/// Items of all kinds, keys of maps included.
const MAX_ITEMS: usize = 512;

/// Reads exactly one item that fills `bytes`: definite lengths, bounded depth and number, keys of maps that are integers
/// or text and of which none comes twice. Two readers then cannot see two different things in the same bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Value, Refusal> {
    measure(bytes).ok_or(Refusal::TokenMalformed)?;
    let value: Value = ciborium::de::from_reader_with_recursion_limit(bytes, 2 * MAX_DEPTH)
        .map_err(|_| Refusal::TokenMalformed)?;
    if has_plain_keys(&value) {
        Ok(value)
    } else {
        Err(Refusal::TokenMalformed)
    }
}

/// The bytes of an item; its maps keep the order they have.
pub(super) fn write(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("a vector takes all that is written");
    bytes
}

/// The same item with its maps in the order of deterministic encoding (RFC 8949 section 4.2.1).
pub(super) fn deterministic(value: Value) -> Value {
    match value {
        Value::Map(entries) => {
            let entries = entries
                .into_iter()
                .map(|(key, value)| (key, deterministic(value)));
            let mut entries: Vec<_> = entries.collect();
            entries.sort_by_cached_key(|(key, _)| write(key));
            Value::Map(entries)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(deterministic).collect()),
        Value::Tag(tag, inner) => Value::Tag(tag, Box::new(deterministic(*inner))),
        other => other,
    }
}

/// An integer that fits.
pub(super) fn integer(value: &Value) -> Option<i64> {
    i64::try_from(i128::from(value.as_integer()?)).ok()
}

/// Walks the items without building any; `None` where they are not within the bounds.
fn measure(bytes: &[u8]) -> Option<()> {
    let mut rest = bytes;
    let mut open = [0_usize; MAX_DEPTH];
    let mut depth = 0;
    for _ in 0..MAX_ITEMS {
        let mut decoder = Decoder::from(rest);
        let header = decoder.pull().ok()?;
        rest = rest.get(decoder.offset()..)?;
        let children = match header {
            Header::Positive(_) | Header::Negative(_) | Header::Float(_) | Header::Simple(_) => 0,
            Header::Bytes(Some(len)) | Header::Text(Some(len)) => {
                rest = rest.get(len..)?;
                0
            }
            Header::Array(Some(len)) => len,
            Header::Map(Some(len)) => len.checked_mul(2)?,
            Header::Tag(_) => 1,
            _ => return None,
        };
        if children > 0 {
            *open.get_mut(depth)? = children;
            depth += 1;
            continue;
        }
        while depth > 0 {
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            return rest.is_empty().then_some(());
        }
    }
    None
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Label<'a> {
    Integer(i128),
    Text(&'a str),
}

fn has_plain_keys(value: &Value) -> bool {
    match value {
        Value::Map(entries) => {
            let labels = entries.iter().map(|(key, _)| match key {
                Value::Integer(integer) => Some(Label::Integer((*integer).into())),
                Value::Text(text) => Some(Label::Text(text)),
                _ => None,
            });
            let Some(mut labels) = labels.collect::<Option<Vec<_>>>() else {
                return false;
            };
            labels.sort_unstable();
            labels.is_sorted_by(|a, b| a != b) && entries.iter().all(|(_, v)| has_plain_keys(v))
        }
        Value::Array(items) => items.iter().all(has_plain_keys),
        Value::Tag(_, inner) => has_plain_keys(inner),
        _ => true,
    }
}
