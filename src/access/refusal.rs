//! Every way in which access is refused, each with its word.

/// Why a viewer may not have what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// The request did not come through our CDN.
    #[error("the request does not come from the CDN")]
    OriginLock,
    /// No token in any of the carriers.
    #[error("no token")]
    TokenMissing,
    /// Not readable as a token of any accepted format.
    #[error("the token cannot be read")]
    TokenMalformed,
    /// Longer than any honest one.
    #[error("the token is too long")]
    TokenTooLong,
    /// Signed with a key that is not ours.
    #[error("the token's key is unknown")]
    TokenKey,
    /// Signed in a way that its key is not for, `none` included.
    #[error("the token's algorithm is not accepted")]
    TokenAlgorithm,
    /// The signature does not match.
    #[error("the token's signature is wrong")]
    TokenSignature,
    /// So many wrong signatures came from this address that no new one is looked at for a second.
    #[error("too many tokens with wrong signatures")]
    TokenForgeries,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    TokenNotYet,
    /// Its time is over.
    #[error("the token has expired")]
    TokenExpired,
    /// For another path, file, host or scheme.
    #[error("the token is for something else")]
    TokenScope,
    /// For another address or network.
    #[error("the token is for another address")]
    TokenAddress,
    /// For another country.
    #[error("the token is for another country")]
    TokenCountry,
    /// For another method.
    #[error("the token is for another method")]
    TokenMethod,
    /// By an issuer or for an audience that is not ours.
    #[error("the token is of another issuer or for another audience")]
    TokenIssuer,
    /// Says something that cannot be evaluated: what is not understood is not granted.
    #[error("the token has a claim that is not understood")]
    TokenClaim,
    /// Used before, and good for one use.
    #[error("the token has been used")]
    TokenReplayed,
    /// Withdrawn: it, its session or its key.
    #[error("the token is revoked")]
    TokenRevoked,
    /// The viewer's country, region, network or address is not served.
    #[error("not available where you are")]
    GeoDenied,
    /// Nobody can say where the viewer is, and the policy wants to know.
    #[error("not available where you are: your location is unknown")]
    GeoUnknown,
    /// A VPN, proxy, Tor or hosting provider.
    #[error("not available through a VPN or proxy")]
    GeoAnonymous,
    /// Nothing is known of this title's rights.
    #[error("not available: no rights for this title")]
    RightsUnknown,
    /// Not in this country.
    #[error("not available in your country")]
    RightsCountry,
    /// Its window has not begun.
    #[error("not available yet")]
    RightsNotYet,
    /// Its window is over.
    #[error("no longer available")]
    RightsEnded,
    /// Not on this class of device.
    #[error("not available on this device")]
    RightsDevice,
    /// Not in this quality.
    #[error("not available in this quality")]
    RightsQuality,
    /// Asks too often.
    #[error("too many requests")]
    RequestRate,
    /// Watches too many streams at once.
    #[error("too many streams at once")]
    Streams,
}

impl Refusal {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 29] = [
        Self::OriginLock,
        Self::TokenMissing,
        Self::TokenMalformed,
        Self::TokenTooLong,
        Self::TokenKey,
        Self::TokenAlgorithm,
        Self::TokenSignature,
        Self::TokenForgeries,
        Self::TokenNotYet,
        Self::TokenExpired,
        Self::TokenScope,
        Self::TokenAddress,
        Self::TokenCountry,
        Self::TokenMethod,
        Self::TokenIssuer,
        Self::TokenClaim,
        Self::TokenReplayed,
        Self::TokenRevoked,
        Self::GeoDenied,
        Self::GeoUnknown,
        Self::GeoAnonymous,
        Self::RightsUnknown,
        Self::RightsCountry,
        Self::RightsNotYet,
        Self::RightsEnded,
        Self::RightsDevice,
        Self::RightsQuality,
        Self::RequestRate,
        Self::Streams,
    ];

    /// A stable word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OriginLock => "origin_lock",
            Self::TokenMissing => "token_missing",
            Self::TokenMalformed => "token_malformed",
            Self::TokenTooLong => "token_too_long",
            Self::TokenKey => "token_key",
            Self::TokenAlgorithm => "token_algorithm",
            Self::TokenSignature => "token_signature",
            Self::TokenForgeries => "token_forgeries",
            Self::TokenNotYet => "token_not_yet",
            Self::TokenExpired => "token_expired",
            Self::TokenScope => "token_scope",
            Self::TokenAddress => "token_address",
            Self::TokenCountry => "token_country",
            Self::TokenMethod => "token_method",
            Self::TokenIssuer => "token_issuer",
            Self::TokenClaim => "token_claim",
            Self::TokenReplayed => "token_replayed",
            Self::TokenRevoked => "token_revoked",
            Self::GeoDenied => "geo_denied",
            Self::GeoUnknown => "geo_unknown",
            Self::GeoAnonymous => "geo_anonymous",
            Self::RightsUnknown => "rights_unknown",
            Self::RightsCountry => "rights_country",
            Self::RightsNotYet => "rights_not_yet",
            Self::RightsEnded => "rights_ended",
            Self::RightsDevice => "rights_device",
            Self::RightsQuality => "rights_quality",
            Self::RequestRate => "request_rate",
            Self::Streams => "streams",
        }
    }
}
