//! One key as RFC 7517 writes it: RSA and EC (RFC 7518 §6), OKP (RFC 8037), and oct from the configuration.

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};

use super::algorithm::{Algorithm, Family};
use super::compact::decode;
use super::json::Object;
use super::key::{KeyError, Pair, Signer};

/// Longest `n`: 8192 bits.
const MAX_MODULUS: usize = 1024;

/// The key's own id.
pub(super) fn kid<'a>(jwk: &'a Object<'_>) -> Result<Option<&'a str>, KeyError> {
    text(jwk, "kid")
}

/// A configured key: it may be private, and an `alg` of its own must be the configured one.
pub(super) fn pair(jwk: &Object<'_>, algorithm: Algorithm) -> Result<Pair, KeyError> {
    check_purpose(jwk, algorithm, &["sign", "verify"])?;
    if text(jwk, "kty")? == Some("oct") {
        return Pair::of_secret(algorithm, &bytes(jwk, "k")?);
    }
    if jwk.member("d").is_some() {
        check_kind(jwk, algorithm)?;
        return Pair::of_signer(algorithm, signer(jwk, algorithm)?);
    }
    public(jwk, algorithm)
}

/// A key from the network: a secret or a private half in it is known to everybody, so that it proves nothing.
pub(super) fn network_pair(jwk: &Object<'_>) -> Result<(Algorithm, Pair), KeyError> {
    if text(jwk, "kty")? == Some("oct") || jwk.member("d").is_some() || jwk.member("k").is_some() {
        return Err(KeyError::Private);
    }
    let algorithm = own_algorithm(jwk)?;
    check_purpose(jwk, algorithm, &["verify"])?;
    Ok((algorithm, public(jwk, algorithm)?))
}

/// The algorithm of a key that nobody configured: its `alg`, or the one that its kind allows. An RSA key that
/// states none is for RS256 only.
fn own_algorithm(jwk: &Object<'_>) -> Result<Algorithm, KeyError> {
    if let Some(name) = text(jwk, "alg")? {
        return Algorithm::parse(name).ok_or(KeyError::JwkMember("alg"));
    }
    match (text(jwk, "kty")?, text(jwk, "crv")?) {
        (Some("RSA"), _) => Ok(Algorithm::Rs256),
        (Some("EC"), Some("P-256")) => Ok(Algorithm::Es256),
        (Some("EC"), Some("P-384")) => Ok(Algorithm::Es384),
        (Some("OKP"), Some("Ed25519")) => Ok(Algorithm::EdDsa),
        _ => Err(KeyError::JwkKind),
    }
}

fn public(jwk: &Object<'_>, algorithm: Algorithm) -> Result<Pair, KeyError> {
    check_kind(jwk, algorithm)?;
    match algorithm.family() {
        Family::Rsa(parameters, _) => {
            let components = rsa_public(jwk)?;
            let key = components.to_parsed_public_key(parameters);
            Pair::of_parsed(algorithm, key.map_err(|_| KeyError::Rejected(algorithm))?)
        }
        Family::Ec(..) => Pair::of_public(algorithm, &point(jwk, algorithm)?),
        Family::Ed25519 => Pair::of_public(algorithm, &fixed(jwk, "x", 32)?),
        Family::Hmac(_) => Err(KeyError::JwkKind),
    }
}

fn signer(jwk: &Object<'_>, algorithm: Algorithm) -> Result<Signer, KeyError> {
    let rejected = |_| KeyError::Rejected(algorithm);
    match algorithm.family() {
        Family::Rsa(_, encoding) => {
            let components = KeyPairComponents {
                public_key: rsa_public(jwk)?,
                d: bytes(jwk, "d")?,
                p: bytes(jwk, "p")?,
                q: bytes(jwk, "q")?,
                dP: bytes(jwk, "dp")?,
                dQ: bytes(jwk, "dq")?,
                qInv: bytes(jwk, "qi")?,
            };
            let pair = RsaKeyPair::from_components(&components).map_err(rejected)?;
            Ok(Signer::Rsa(pair, encoding))
        }
        Family::Ec(_, signing) => {
            let (scalar, point) = (
                fixed(jwk, "d", coordinate(algorithm))?,
                point(jwk, algorithm)?,
            );
            let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, &scalar, &point);
            Ok(Signer::Ec(pair.map_err(rejected)?))
        }
        Family::Ed25519 => {
            let (seed, public) = (fixed(jwk, "d", 32)?, fixed(jwk, "x", 32)?);
            let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public);
            Ok(Signer::Ed25519(pair.map_err(rejected)?))
        }
        Family::Hmac(_) => Err(KeyError::JwkKind),
    }
}

/// `kty` and `crv` must be the algorithm's.
fn check_kind(jwk: &Object<'_>, algorithm: Algorithm) -> Result<(), KeyError> {
    let (kty, crv) = match algorithm {
        Algorithm::Es256 => ("EC", Some("P-256")),
        Algorithm::Es384 => ("EC", Some("P-384")),
        Algorithm::EdDsa => ("OKP", Some("Ed25519")),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => ("oct", None),
        _ => ("RSA", None),
    };
    let fits = text(jwk, "kty")? == Some(kty) && (crv.is_none() || text(jwk, "crv")? == crv);
    fits.then_some(()).ok_or(KeyError::JwkKind)
}

/// `alg`, `use` and `key_ops` must each allow it or be absent (RFC 7517 §4.2 to §4.4).
fn check_purpose(
    jwk: &Object<'_>,
    algorithm: Algorithm,
    operations: &[&str],
) -> Result<(), KeyError> {
    let alg_allows = text(jwk, "alg")?.is_none_or(|name| Algorithm::parse(name) == Some(algorithm));
    let use_allows = text(jwk, "use")?.is_none_or(|word| word == "sig");
    let operation_allows = jwk.member("key_ops").is_none_or(|ops| {
        let allowed = ops.list().unwrap_or_default();
        let mut allowed = allowed.iter().filter_map(|op| op.text());
        allowed.any(|op| operations.contains(&op))
    });
    let allows = alg_allows && use_allows && operation_allows;
    allows.then_some(()).ok_or(KeyError::JwkPurpose(algorithm))
}

fn rsa_public(jwk: &Object<'_>) -> Result<PublicKeyComponents<Vec<u8>>, KeyError> {
    // Some issuers write the sign byte of a DER integer, against RFC 7518 §2.
    let positive = |name| {
        let mut number = bytes(jwk, name)?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number.drain(..zeros);
        if number.is_empty() || number.len() > MAX_MODULUS {
            return Err(KeyError::JwkMember(name));
        }
        Ok(number)
    };
    Ok(PublicKeyComponents {
        n: positive("n")?,
        e: positive("e")?,
    })
}

/// The public point, uncompressed (SEC 1 §2.3.3).
fn point(jwk: &Object<'_>, algorithm: Algorithm) -> Result<Vec<u8>, KeyError> {
    let length = coordinate(algorithm);
    Ok([vec![4], fixed(jwk, "x", length)?, fixed(jwk, "y", length)?].concat())
}

fn coordinate(algorithm: Algorithm) -> usize {
    if algorithm == Algorithm::Es384 {
        48
    } else {
        32
    }
}

fn fixed(jwk: &Object<'_>, name: &'static str, length: usize) -> Result<Vec<u8>, KeyError> {
    let bytes = bytes(jwk, name)?;
    if bytes.len() != length {
        return Err(KeyError::JwkMember(name));
    }
    Ok(bytes)
}

fn bytes(jwk: &Object<'_>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let text = text(jwk, name)?.ok_or(KeyError::JwkMember(name))?;
    decode(text).ok_or(KeyError::JwkMember(name))
}

fn text<'a>(jwk: &'a Object<'_>, name: &'static str) -> Result<Option<&'a str>, KeyError> {
    let member = jwk.member(name);
    member
        .map(|value| value.text().ok_or(KeyError::JwkMember(name)))
        .transpose()
}
