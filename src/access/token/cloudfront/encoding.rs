//! CloudFront's base64: the standard one with `+`, `/` and `=` written as `-`, `~` and `_`.

use crate::access::unescaped;
use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const ALPHABET: Alphabet =
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~") {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("64 different characters"),
    };

/// The engine knows no padding but `=`, so `_` is put on and taken off here.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = ENGINE.encode(bytes);
    while !text.len().is_multiple_of(4) {
        text.push('_');
    }
    text
}

/// One spelling a value, padding included; only that a client wrote `%7E` for `~` is forgiven.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = unescaped(text)?;
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let bare = text.strip_suffix("__").or_else(|| text.strip_suffix('_'));
    ENGINE.decode(bare.unwrap_or(&text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        for len in 1..70_u8 {
            let bytes: Vec<u8> = (0..len).map(|n| n.wrapping_mul(251)).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn the_alphabet_is_cloudfronts() {
        assert_eq!(encode(&[0xfb, 0xff, 0xfe, 0xff]), "-~~-~w__");
        assert_eq!(decode("-%7E%7e-~w__"), Some(vec![0xfb, 0xff, 0xfe, 0xff]));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "", "_", "__", "____", "A", "AA", "AAA", "A___", "AA_A", "AA==", "AB__", "AAB_",
            "AAAA____", "AA+A", "AA/A", "AA A", "AAA\n", "AAA%", "AAA%ff",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
