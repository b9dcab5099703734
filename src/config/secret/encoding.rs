//! How a secret is written where it is kept.

use std::borrow::Cow;

use super::Secret;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As it is.
    #[default]
    Raw,
    /// Two hexadecimal digits a byte, in either case.
    Hex,
    /// Base64 with either alphabet, padded or not.
    Base64,
    /// As it says itself: `hex:…`, `base64:…`, or raw where it begins with neither.
    Prefixed,
}

/// Why a secret is not what its encoding says. None of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not hexadecimal.
    #[error(
        "the secret is not hexadecimal: write two digits for each byte, or set another encoding"
    )]
    Hex,
    /// Not base64.
    #[error("the secret is not base64: encode it again, or set another encoding")]
    Base64,
    /// Nothing is left.
    #[error("the secret is empty behind its encoding: write one")]
    Empty,
}

impl Encoding {
    /// Reads a setting.
    ///
    /// # Errors
    /// Unless it is one of `raw`, `hex`, `base64` and `prefixed`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "raw" => Ok(Self::Raw),
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            "prefixed" => Ok(Self::Prefixed),
            _ => Err("is no encoding of a secret: write raw, hex, base64 or prefixed".to_owned()),
        }
    }
}

/// The bytes of a secret. White space within hex and base64 is passed over: tools break long lines.
///
/// # Errors
/// When the secret is not written in this encoding, or nothing is left of it.
pub fn decode(bytes: &[u8], encoding: Encoding) -> Result<Secret, Undecodable> {
    let decoded = match encoding {
        Encoding::Raw => Cow::Borrowed(bytes),
        Encoding::Hex => hex::decode(dense(bytes))
            .map_err(|_| Undecodable::Hex)?
            .into(),
        Encoding::Base64 => base64(bytes)?.into(),
        Encoding::Prefixed => {
            return match (bytes.strip_prefix(b"hex:"), bytes.strip_prefix(b"base64:")) {
                (Some(hex), _) => decode(hex, Encoding::Hex),
                (_, Some(base64)) => decode(base64, Encoding::Base64),
                _ => decode(bytes, Encoding::Raw),
            };
        }
    };
    if decoded.is_empty() {
        return Err(Undecodable::Empty);
    }
    Ok(Secret::new(decoded))
}

fn base64(bytes: &[u8]) -> Result<Vec<u8>, Undecodable> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = dense(bytes).into_iter().map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    });
    let engine = GeneralPurpose::new(&STANDARD, config);
    engine
        .decode(standard.collect::<Vec<_>>())
        .map_err(|_| Undecodable::Base64)
}

fn dense(bytes: &[u8]) -> Vec<u8> {
    let dense = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    dense.copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str, encoding: Encoding) -> Result<Vec<u8>, Undecodable> {
        decode(text.as_bytes(), encoding).map(|secret| secret.reveal().to_vec())
    }

    #[test]
    fn each_encoding_gives_its_bytes() {
        let bytes = vec![0xfb, 0xff, 0x00, 0x10];
        for (text, encoding) in [
            ("fbff0010", Encoding::Hex),
            ("FBff 0010\n", Encoding::Hex),
            ("+/8AEA==", Encoding::Base64),
            ("-_8AEA", Encoding::Base64),
            ("+/8A\r\nEA=\n=", Encoding::Base64),
            ("hex:fbff0010", Encoding::Prefixed),
            ("base64:+/8AEA==", Encoding::Prefixed),
        ] {
            assert_eq!(decoded(text, encoding), Ok(bytes.clone()), "{text}");
        }
        assert_eq!(decoded("hex:00 ", Encoding::Raw).unwrap(), b"hex:00 ");
        assert_eq!(decoded("plain", Encoding::Prefixed).unwrap(), b"plain");
    }

    #[test]
    fn what_is_not_in_its_encoding_is_refused_without_being_repeated() {
        for (text, encoding, error) in [
            ("hunter2", Encoding::Hex, Undecodable::Hex),
            ("abc", Encoding::Hex, Undecodable::Hex),
            ("0xab", Encoding::Hex, Undecodable::Hex),
            ("hunter2!", Encoding::Base64, Undecodable::Base64),
            ("a", Encoding::Base64, Undecodable::Base64),
            ("AB==AB==", Encoding::Base64, Undecodable::Base64),
            ("hex:hunter2", Encoding::Prefixed, Undecodable::Hex),
            ("", Encoding::Raw, Undecodable::Empty),
            (" \n", Encoding::Hex, Undecodable::Empty),
            ("base64:", Encoding::Prefixed, Undecodable::Empty),
        ] {
            let refused = decoded(text, encoding).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn encodings_have_names() {
        assert_eq!(Encoding::parse("prefixed"), Ok(Encoding::Prefixed));
        assert!(Encoding::parse("Hex").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for encoding in [Encoding::Raw, Encoding::Hex, Encoding::Base64, Encoding::Prefixed] {
                let _ = decode(&bytes, encoding);
            }
        }

        #[test]
        fn what_was_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            let hex = format!("hex:{}", hex::encode(&bytes));
            prop_assert_eq!(decoded(&hex, Encoding::Prefixed).unwrap(), bytes.clone());
            for engine in [base64::prelude::BASE64_STANDARD, base64::prelude::BASE64_URL_SAFE_NO_PAD] {
                prop_assert_eq!(decoded(&engine.encode(&bytes), Encoding::Base64).unwrap(), bytes.clone());
            }
        }
    }
}
