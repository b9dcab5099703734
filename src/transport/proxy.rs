//! The PROXY protocol, versions 1 and 2: what a TCP load balancer writes before a connection's own bytes, to tell who
//! is at its other end. Start at [`parse`]. The specification is HAProxy's `proxy-protocol.txt`.
//!
//! The header says who the viewer is, so it is read from trusted peers alone, and of those it is demanded: a listener
//! that takes it when it is there lets everyone claim to be anyone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(test)]
mod tests;

/// Bytes of a version 1 header with its line end (section 2.1).
pub const V1_MAX: usize = 107;

/// Bytes that may follow the first 16 of a version 2 header: addresses and extensions. The protocol has room for 64 KiB,
/// load balancers send some hundred.
pub const V2_REST_MAX: usize = 2048;

const V1_START: &[u8] = b"PROXY ";

const V2_START: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a version 2 header before its addresses.
const V2_HEAD: usize = 16;

/// How far a header has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not whole: read on, and ask again with all bytes from the first on.
    More,
    /// Whole.
    Done {
        /// Its length: the connection's own bytes begin here.
        len: usize,
        /// The two ends. `None` keeps those of the socket: the balancer speaks for itself (a health check), or for
        /// someone who has no address.
        ends: Option<Ends>,
    },
}

/// The ends of the connection that the balancer took. IPv4-mapped IPv6 is written as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Who asks.
    pub source: SocketAddr,
    /// Where it asked.
    pub destination: SocketAddr,
}

/// Why bytes are no header; the connection is closed without a word (section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They begin otherwise.
    #[error("no PROXY header: send one, or take the peer off the trusted list")]
    Absent,
    /// Version 1 without a line end where it must have come, or version 2 with more than anyone sends.
    #[error("the PROXY header is too long")]
    TooLong,
    /// Version 1 that is not written as the specification has it.
    #[error("the PROXY header's line cannot be read")]
    Line,
    /// Version 2 with a version, command, family or transport that is not assigned.
    #[error("the PROXY header has an unknown version, command or family")]
    Unknown,
    /// Version 2 that is shorter than its addresses.
    #[error("the PROXY header is shorter than its addresses")]
    TooShort,
}

/// Reads a header from the first bytes of a connection. A header that arrives in pieces has the same answer as one that
/// arrives whole, and never asks for more than [`V1_MAX`] or 16 + [`V2_REST_MAX`] bytes.
///
/// # Errors
/// Where the bytes are no header, as soon as that is certain.
pub fn parse(bytes: &[u8]) -> Result<Progress, Error> {
    if bytes.starts_with(V1_START) {
        v1(bytes)
    } else if bytes.starts_with(V2_START) {
        v2(bytes)
    } else if V1_START.starts_with(bytes) || V2_START.starts_with(bytes) {
        Ok(Progress::More)
    } else {
        Err(Error::Absent)
    }
}

fn v1(bytes: &[u8]) -> Result<Progress, Error> {
    let window = &bytes[..bytes.len().min(V1_MAX)];
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        let is_full = window.len() == V1_MAX;
        return if is_full {
            Err(Error::TooLong)
        } else {
            Ok(Progress::More)
        };
    };
    let line = window[V1_START.len()..end].strip_suffix(b"\r");
    let line = line.ok_or(Error::Line)?;
    Ok(Progress::Done {
        len: end + 1,
        ends: v1_ends(line).ok_or(Error::Line)?,
    })
}

/// What follows `PROXY `; the inner `None` is `UNKNOWN`, after which anything may stand.
fn v1_ends(line: &[u8]) -> Option<Option<Ends>> {
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(None);
    }
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let mut word = || words.next();
    let (family, source, destination) = (word()?, word()?, word()?);
    let (from, to) = (port(word()?)?, port(word()?)?);
    if word().is_some() {
        return None;
    }
    let ip = |text: &str| match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    Some(Some(Ends {
        source: end(ip(source)?, from),
        destination: end(ip(destination)?, to),
    }))
}

/// Decimal digits without a leading zero: `parse` alone would take a sign.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text == "0" || !text.starts_with('0');
    (is_plain && is_short).then(|| text.parse().ok()).flatten()
}

fn v2(bytes: &[u8]) -> Result<Progress, Error> {
    let Some((head, rest)) = bytes.split_first_chunk::<V2_HEAD>() else {
        return Ok(Progress::More);
    };
    let [.., command, family, high, low] = *head;
    let len = usize::from(u16::from_be_bytes([high, low]));
    // LOCAL: its addresses and even their family count for nothing (section 2.2).
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Error::Unknown),
    };
    let addresses = match family {
        _ if is_local => 0,
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(Error::Unknown),
    };
    if len > V2_REST_MAX {
        return Err(Error::TooLong);
    }
    if len < addresses {
        return Err(Error::TooShort);
    }
    let Some(block) = rest.get(..len) else {
        return Ok(Progress::More);
    };
    Ok(Progress::Done {
        len: V2_HEAD + len,
        ends: if is_local {
            None
        } else {
            v2_ends(family, block)
        },
    })
}

/// What follows the addresses are extensions, which tell nothing that is used here. A Unix socket has no address.
fn v2_ends(family: u8, block: &[u8]) -> Option<Ends> {
    match family >> 4 {
        1 => ends::<4>(block, |octets| Ipv4Addr::from(octets).into()),
        2 => ends::<16>(block, |octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// Two addresses of `N` bytes, then their ports.
fn ends<const N: usize>(block: &[u8], ip: fn([u8; N]) -> IpAddr) -> Option<Ends> {
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, _) = rest.split_first_chunk::<2>()?;
    Some(Ends {
        source: end(ip(*source), u16::from_be_bytes(*from)),
        destination: end(ip(*destination), u16::from_be_bytes(*to)),
    })
}

fn end(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), port)
}
