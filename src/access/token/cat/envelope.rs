//! What is around the claims: base64url, CBOR tags, COSE headers and the signature (RFC 9052, RFC 8392).

use crate::access::Refusal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use coset::{AsCborValue, CborSerializable, CoseError, CoseMac0, CoseSign1, Header, Label};
use coset::{HeaderBuilder, MacContext, ProtectedHeader, mac_structure_data};

use super::cbor;
use super::key::{Algorithm, Key};

/// Most characters of a token. CloudFront's limit for a whole URL is 8,192.
pub(super) const MAX_CHARS: usize = 4096;

/// A token's own tag in CBOR (RFC 8392 section 6).
const CWT_TAG: u64 = 61;
const MAC0_TAG: u64 = 17;
const SIGN1_TAG: u64 = 18;
/// The header parameter `kid` (RFC 9052 section 3.1).
const KID: i64 = 4;
/// The header parameter `typ` (RFC 9596).
const TYP: Label = Label::Int(16);

/// A token taken apart; nothing of it is verified.
pub(super) struct Envelope {
    algorithm: Algorithm,
    has_cwt_tag: bool,
    protected: ProtectedHeader,
    unprotected: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Envelope {
    /// An envelope as this product makes them: the algorithm is protected, the key id is not.
    pub(super) fn new(key: &Key, payload: Vec<u8>) -> Self {
        let protected = HeaderBuilder::new()
            .algorithm(key.algorithm().to_cose())
            .build();
        let original_data = protected.clone().to_vec().ok();
        Self {
            algorithm: key.algorithm(),
            has_cwt_tag: true,
            protected: ProtectedHeader {
                original_data,
                header: protected,
            },
            unprotected: Header {
                key_id: key.kid().unwrap_or_default().to_vec(),
                ..Header::default()
            },
            payload,
            signature: Vec::new(),
        }
    }

    /// Takes a token apart and refuses what is ambiguous in it.
    pub(super) fn open(token: &str) -> Result<Self, Refusal> {
        if token.len() > MAX_CHARS {
            return Err(Refusal::TokenTooLong);
        }
        // The engine refuses padding and stray bits at the end, so that one token has one spelling.
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| Refusal::TokenMalformed)?;
        let (has_cwt_tag, is_mac, message) = match cbor::read(&bytes)? {
            Value::Tag(CWT_TAG, inner) => {
                let (is_mac, message) = untag(*inner)?;
                (true, is_mac, message)
            }
            value => {
                let (is_mac, message) = untag(value)?;
                (false, is_mac, message)
            }
        };
        let [protected, unprotected, payload, signature] = message;
        let (Value::Bytes(protected), Value::Bytes(payload), Value::Bytes(signature)) =
            (protected, payload, signature)
        else {
            return Err(Refusal::TokenMalformed);
        };
        let header = match protected.as_slice() {
            [] => Header::default(),
            bytes => header(cbor::read(bytes)?)?,
        };
        let unprotected = self::header(unprotected)?;
        let algorithm = judge(&header, &unprotected)?;
        if is_mac != (algorithm == Algorithm::Hs256) {
            return Err(Refusal::TokenAlgorithm);
        }
        Ok(Self {
            algorithm,
            has_cwt_tag,
            protected: ProtectedHeader {
                original_data: Some(protected),
                header,
            },
            unprotected,
            payload,
            signature,
        })
    }

    /// How it says it is signed.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that it names.
    pub(super) fn kid(&self) -> Option<&[u8]> {
        let kid = match self.protected.header.key_id.as_slice() {
            [] => &self.unprotected.key_id,
            kid => kid,
        };
        (!kid.is_empty()).then_some(kid)
    }

    /// Whether the key signed this payload under this protected header.
    pub(super) fn is_signed_by(&self, key: &Key) -> bool {
        key.algorithm() == self.algorithm && key.has_signed(&self.signed_bytes(), &self.signature)
    }

    /// The claims' bytes.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The same envelope around another payload.
    pub(super) fn with_payload(self, payload: Vec<u8>) -> Self {
        Self { payload, ..self }
    }

    /// Signs it and writes it as text; `None` where the key does not sign.
    pub(super) fn seal(mut self, key: &Key) -> Option<String> {
        self.signature = key.sign(&self.signed_bytes())?;
        let (tag, message) = match self.algorithm {
            Algorithm::Hs256 => {
                let message = CoseMac0 {
                    protected: self.protected,
                    unprotected: self.unprotected,
                    payload: Some(self.payload),
                    tag: self.signature,
                };
                (MAC0_TAG, message.to_cbor_value().ok()?)
            }
            Algorithm::Es256 | Algorithm::Ps256 => {
                let message = CoseSign1 {
                    protected: self.protected,
                    unprotected: self.unprotected,
                    payload: Some(self.payload),
                    signature: self.signature,
                };
                (SIGN1_TAG, message.to_cbor_value().ok()?)
            }
        };
        let mut message = Value::Tag(tag, Box::new(message));
        if self.has_cwt_tag {
            message = Value::Tag(CWT_TAG, Box::new(message));
        }
        Some(URL_SAFE_NO_PAD.encode(cbor::write(&message)))
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let protected = self.protected.clone();
        match self.algorithm {
            Algorithm::Hs256 => {
                mac_structure_data(MacContext::CoseMac0, protected, &[], &self.payload)
            }
            Algorithm::Es256 | Algorithm::Ps256 => coset::sig_structure_data(
                coset::SignatureContext::CoseSign1,
                protected,
                None,
                &[],
                &self.payload,
            ),
        }
    }
}

/// Whether it is a MAC, and the four parts of the message. Without a tag nobody can say what the bytes are for.
fn untag(value: Value) -> Result<(bool, [Value; 4]), Refusal> {
    let (is_mac, message) = match value {
        Value::Tag(MAC0_TAG, message) => (true, message),
        Value::Tag(SIGN1_TAG, message) => (false, message),
        _ => return Err(Refusal::TokenMalformed),
    };
    let message = message.into_array().map_err(|_| Refusal::TokenMalformed)?;
    let message = message.try_into().map_err(|_| Refusal::TokenMalformed)?;
    Ok((is_mac, message))
}

/// Reads a header. A `kid` of text is read as its bytes: some libraries write it so, although COSE wants bytes.
fn header(mut value: Value) -> Result<Header, Refusal> {
    if let Value::Map(entries) = &mut value {
        for (label, value) in entries {
            if let (Some(KID), Value::Text(text)) = (cbor::integer(label), &value) {
                *value = Value::Bytes(text.as_bytes().to_vec());
            }
        }
    }
    Header::from_cbor_value(value).map_err(|error| match error {
        CoseError::UnregisteredIanaValue | CoseError::UnregisteredIanaNonPrivateValue => {
            Refusal::TokenAlgorithm
        }
        _ => Refusal::TokenMalformed,
    })
}

/// Refuses headers that say something that is not understood, or say one thing twice; else the algorithm.
fn judge(protected: &Header, unprotected: &Header) -> Result<Algorithm, Refusal> {
    if !protected.crit.is_empty() || !unprotected.crit.is_empty() {
        return Err(Refusal::TokenClaim);
    }
    // Nobody signs the unprotected header: a hint which key to try is all it may be.
    let hint = Header {
        key_id: unprotected.key_id.clone(),
        ..Header::default()
    };
    let has_two_kids = !protected.key_id.is_empty() && !unprotected.key_id.is_empty();
    if *unprotected != hint || has_two_kids {
        return Err(Refusal::TokenMalformed);
    }
    // A token of another type, signed by the same key for another purpose, is not one of access.
    let is_cat = |typ: &Value| matches!(typ, Value::Text(typ) if typ.eq_ignore_ascii_case("CAT"));
    let mut types = protected.rest.iter().filter(|(label, _)| *label == TYP);
    if !types.all(|(_, typ)| is_cat(typ)) {
        return Err(Refusal::TokenMalformed);
    }
    let algorithm = protected.alg.as_ref().ok_or(Refusal::TokenAlgorithm)?;
    Algorithm::from_cose(algorithm).ok_or(Refusal::TokenAlgorithm)
}
