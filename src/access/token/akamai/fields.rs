//! The fields of a token, read strictly: each at most once, in the one order that the format has.

use std::fmt;

/// The longest number of seconds, in digits.
const MAX_DIGITS: usize = 15;

/// The last second that can be written in them.
pub(super) const LAST_SECOND: i64 = 999_999_999_999_999;

/// A token taken apart.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// `ip`
    pub(super) ip: Option<&'a str>,
    /// `st`
    pub(super) starts: Option<i64>,
    /// `exp`
    pub(super) expires: i64,
    /// `acl`
    pub(super) acl: Option<&'a str>,
    /// `id`
    pub(super) id: Option<&'a str>,
    /// `data`
    pub(super) data: Option<&'a str>,
    /// `hmac`, lower-case hexadecimal digits.
    pub(super) hmac: &'a str,
    /// Everything before `~hmac=`.
    pub(super) signed: &'a str,
}

impl<'a> Fields<'a> {
    /// `None` for what is not a token: a field is unknown, empty, twice there or out of order, `exp` or `hmac` is
    /// missing, a time is not a number.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (signed, hmac) = token.rsplit_once("~hmac=")?;
        if hmac.is_empty()
            || !hmac
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return None;
        }
        let mut fields = signed.split('~').peekable();
        let mut take = |name: &str| {
            let value = fields.peek()?.strip_prefix(name)?.strip_prefix('=')?;
            fields.next();
            Some(value)
        };
        let ip = take("ip");
        let starts = take("st");
        let expires = take("exp")?;
        let [acl, id, data] = ["acl", "id", "data"].map(take);
        if fields.next().is_some() || [ip, acl, id, data].contains(&Some("")) {
            return None;
        }
        let starts = match starts {
            Some(starts) => Some(seconds(starts)?),
            None => None,
        };
        Some(Self {
            ip,
            starts,
            expires: seconds(expires)?,
            acl,
            id,
            data,
            hmac,
            signed,
        })
    }
}

/// The fields that are signed, without the `hmac`.
impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ip) = self.ip {
            write!(f, "ip={ip}~")?;
        }
        if let Some(starts) = self.starts {
            write!(f, "st={starts}~")?;
        }
        write!(f, "exp={}", self.expires)?;
        let rest = [("acl", self.acl), ("id", self.id), ("data", self.data)];
        for (name, value) in rest {
            if let Some(value) = value {
                write!(f, "~{name}={value}")?;
            }
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Option<i64> {
    let is_number = text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|seconds| is_number && *seconds > 0)
}
