//! `[token.NAME]`: a format of tokens, its keys, and how its tokens travel.

use super::super::check;
use super::super::format::{Flag, List, Optional, Text, Word};
use super::super::schema::Keys;
use super::{name, plain};

/// `[token.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Which, with what belongs to it alone.
    pub format: TokenFormat,
    /// The names of the keys that sign it; several while one replaces another.
    pub keys: Vec<String>,
    /// Where it is looked for, in this order.
    pub carriers: Vec<Carrier>,
}

/// A way by which a token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Before the path: `/~TOKEN/vod/a.m3u8`.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
    /// In a cookie.
    Cookie,
}

/// A format of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFormat {
    /// JSON Web Tokens (RFC 7519).
    Jwt(Jwt),
    /// CloudFront's signed URLs and cookies.
    CloudFront {
        /// The scheme and host that signers put into URLs; `None` takes the viewer's.
        resource: Option<String>,
    },
    /// Akamai's EdgeAuth 2.0.
    Akamai {
        /// The name in query, cookie and header.
        name: String,
        /// The hash of its HMAC.
        hash: EdgeHash,
        /// The key whose secret is its salt.
        salt: Option<String>,
    },
    /// nginx's secure_link.
    SecureLink {
        /// What is hashed, as `secure_link_md5` writes it, `{secret}` for the secret.
        expression: String,
    },
    /// CTA-5007 Common Access Tokens.
    Cat {
        /// Accepted issuers; empty accepts any.
        issuer: Vec<String>,
        /// Accepted audiences.
        audience: Vec<String>,
    },
}

/// What belongs to JSON Web Tokens alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// The name in query and cookie.
    pub name: String,
    /// The header, `Authorization` with or without `Bearer`.
    pub header: String,
    /// Where the keys of an issuer are published.
    pub jwks: Option<String>,
    /// Accepted issuers; empty accepts any.
    pub issuer: Vec<String>,
    /// Accepted audiences; a token with another, or with one where this is empty, is refused.
    pub audience: Vec<String>,
    /// Whether a token without an end is refused.
    pub require_expiry: bool,
    /// Whether the subject has to be a segment of the path (Mux).
    pub subject_in_path: bool,
}

/// A hash of EdgeAuth's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeHash {
    /// SHA-256.
    Sha256,
    /// SHA-1.
    Sha1,
    /// MD5.
    Md5,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Jwt,
    CloudFront,
    Akamai,
    SecureLink,
    Cat,
}

const FORMATS: [(&str, Format); 5] = [
    ("jwt", Format::Jwt),
    ("cloudfront", Format::CloudFront),
    ("akamai", Format::Akamai),
    ("secure-link", Format::SecureLink),
    ("cat", Format::Cat),
];

const HASHES: [(&str, EdgeHash); 3] = [
    ("sha256", EdgeHash::Sha256),
    ("sha1", EdgeHash::Sha1),
    ("md5", EdgeHash::Md5),
];

impl Carrier {
    const WORDS: [(&'static str, Self); 4] = [
        ("path", Self::Path),
        ("query", Self::Query),
        ("header", Self::Header),
        ("cookie", Self::Cookie),
    ];
}

impl TokenFormat {
    fn word(&self) -> Format {
        match self {
            Self::Jwt(_) => Format::Jwt,
            Self::CloudFront { .. } => Format::CloudFront,
            Self::Akamai { .. } => Format::Akamai,
            Self::SecureLink { .. } => Format::SecureLink,
            Self::Cat { .. } => Format::Cat,
        }
    }

    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        FORMATS[self.word() as usize].0
    }

    fn empty(format: Format) -> Self {
        match format {
            Format::Jwt => Self::Jwt(Jwt::default()),
            Format::CloudFront => Self::CloudFront { resource: None },
            Format::Akamai => Self::Akamai {
                name: "__token__".to_owned(),
                hash: EdgeHash::Sha256,
                salt: None,
            },
            Format::SecureLink => Self::SecureLink {
                expression: "$secure_link_expires$uri {secret}".to_owned(),
            },
            Format::Cat => Self::Cat {
                issuer: vec![],
                audience: vec![],
            },
        }
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            name: "token".to_owned(),
            header: "authorization".to_owned(),
            jwks: None,
            issuer: vec![],
            audience: vec![],
            require_expiry: true,
            subject_in_path: false,
        }
    }
}

fn parameter() -> Text {
    Text {
        check: check::parameter,
        example: "token",
    }
}

impl Token {
    /// One of every format, its required values empty.
    pub(in crate::config) fn every_format() -> [Self; 5] {
        FORMATS.map(|(_, format)| Self {
            format: TokenFormat::empty(format),
            ..Self::unset()
        })
    }

    pub(in crate::config) fn unset() -> Self {
        Self {
            format: TokenFormat::Jwt(Jwt::default()),
            keys: vec![],
            carriers: Carrier::WORDS.map(|(_, carrier)| carrier).to_vec(),
        }
    }

    pub(in crate::config) fn keys(&mut self, keys: &mut impl Keys) {
        let mut format = self.format.word();
        keys.required("format", &mut format, Word(&FORMATS));
        if format != self.format.word() {
            self.format = TokenFormat::empty(format);
        }
        keys.key("keys", &mut self.keys, List(name("viewers-2026")));
        keys.key("carriers", &mut self.carriers, List(Word(&Carrier::WORDS)));
        match &mut self.format {
            TokenFormat::Jwt(jwt) => jwt.keys(keys),
            TokenFormat::CloudFront { resource } => {
                let url = Text {
                    check: check::resource,
                    example: "https://media.example.com",
                };
                keys.key("resource", resource, Optional(url));
            }
            TokenFormat::Akamai {
                name: own,
                hash,
                salt,
            } => {
                keys.key("name", own, parameter());
                keys.key("hash", hash, Word(&HASHES));
                keys.key("salt", salt, Optional(name("salt")));
            }
            TokenFormat::SecureLink { expression } => {
                let example = "$secure_link_expires$uri$remote_addr {secret}";
                keys.key("expression", expression, plain(example));
            }
            TokenFormat::Cat { issuer, audience } => {
                keys.key("issuer", issuer, List(plain("issuer.example")));
                keys.key("audience", audience, List(plain("media.example.com")));
            }
        }
    }
}

impl Jwt {
    fn keys(&mut self, keys: &mut impl Keys) {
        keys.key("name", &mut self.name, parameter());
        let header = Text {
            check: check::header_name,
            example: "authorization",
        };
        keys.key("header", &mut self.header, header);
        let jwks = Text {
            check: check::https_url,
            example: "https://issuer.example/.well-known/jwks.json",
        };
        keys.key("jwks", &mut self.jwks, Optional(jwks));
        keys.key("issuer", &mut self.issuer, List(plain("issuer.example")));
        keys.key(
            "audience",
            &mut self.audience,
            List(plain("media.example.com")),
        );
        keys.key("require_expiry", &mut self.require_expiry, Flag);
        keys.key("subject_in_path", &mut self.subject_in_path, Flag);
    }
}
