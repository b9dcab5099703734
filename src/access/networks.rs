//! Sets of addresses: who is trusted, who is let in, who is kept out. Start at [`Networks`].

use std::net::IpAddr;
use std::path::Path;

use ipnet::{IpNet, Ipv4Net};

mod listing;

#[cfg(test)]
mod tests;

/// An honest network is shorter: eight groups, an embedded IPv4 address, a prefix length.
const TEXT_MAX: usize = 64;

/// Problems that are told of one by one; of more, only the number.
const PROBLEMS_MAX: usize = 20;

/// A set of addresses, asked in logarithmic time. An IPv4-mapped IPv6 address is the IPv4 address it stands for, in
/// the set and in the question; `::/0` therefore covers no IPv4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// First and last addresses; sorted, and apart from each other.
type Ranges<N> = Box<[(N, N)]>;

impl Networks {
    /// Reads networks (`10.0.0.0/8`, `2001:db8::/32`) and single addresses.
    ///
    /// # Errors
    /// Every text that is neither, and every network with bits beyond its prefix: `10.1.2.3/8` may be meant as one
    /// address or as 16 million.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let networks = texts
            .into_iter()
            .filter_map(|text| read(text).map_err(|problem| problems.push(problem)).ok())
            .collect();
        finish(networks, problems)
    }

    /// Reads a file: one network a line, `#` begins a comment; or the JSON of AWS's `ip-ranges.json`, of which the
    /// networks of `service` count (`CLOUDFRONT_ORIGIN_FACING`); or what
    /// `aws ec2 get-managed-prefix-list-entries` prints.
    ///
    /// # Errors
    /// Where the file cannot be read, is none of these, or holds no network; each problem with its place.
    pub fn open(path: &Path, service: Option<&str>) -> Result<Self, Vec<String>> {
        let bytes = listing::bytes(path).map_err(|problem| vec![problem])?;
        Self::from_bytes(&path.display().to_string(), &bytes, service)
    }

    /// As [`Networks::open`], with the file's bytes at hand; `name` is for messages.
    ///
    /// # Errors
    /// As there.
    pub fn from_bytes(
        name: &str,
        bytes: &[u8],
        service: Option<&str>,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let networks = listing::read(name, bytes, service, &mut problems);
        finish(networks, problems)
    }

    /// All addresses of all sets.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for set in sets {
            v4.extend_from_slice(&set.v4);
            v6.extend_from_slice(&set.v6);
        }
        Self {
            v4: merged(v4, 1),
            v6: merged(v6, 1),
        }
    }

    /// Whether the address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => covers(&self.v4, u32::from(v4)),
            IpAddr::V6(v6) => covers(&self.v6, u128::from(v6)),
        }
    }

    /// Whether no address is in the set.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether every IPv4 or every IPv6 address is in the set: no set of those who are trusted.
    pub fn is_everyone(&self) -> bool {
        *self.v4 == [(0, u32::MAX)] || *self.v6 == [(0, u128::MAX)]
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                IpNet::V4(net) => v4.push((net.network().into(), net.broadcast().into())),
                IpNet::V6(net) => v6.push((net.network().into(), net.broadcast().into())),
            }
        }
        Self {
            v4: merged(v4, 1),
            v6: merged(v6, 1),
        }
    }
}

/// One network or address.
pub(super) fn read(text: &str) -> Result<IpNet, String> {
    let wrong = || {
        format!(
            "{} is no network: write an address such as 192.0.2.1 or a network such as 192.0.2.0/24",
            shown(text)
        )
    };
    if text.len() > TEXT_MAX {
        return Err(wrong());
    }
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => cidr(text).ok_or_else(wrong)?,
    };
    if network.addr() != network.network() {
        return Err(format!(
            "{} has bits beyond its prefix: write {} or {}",
            shown(text),
            network.trunc(),
            network.addr()
        ));
    }
    Ok(unmapped(network))
}

/// An address with the length of its prefix. Not by `IpNet`'s own parser: to that `010.0.0.0/8` is `10.0.0.0/8`, to
/// others it is octal, and the standard library refuses such an address for that.
pub(super) fn cidr(text: &str) -> Option<IpNet> {
    let (address, bits) = text.split_once('/')?;
    let is_plain = bits.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = bits == "0" || !bits.starts_with('0');
    let bits = bits.parse().ok().filter(|_| is_plain && is_short)?;
    IpNet::new(address.parse().ok()?, bits).ok()
}

/// A value as a message shows it: short, and without control characters.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(TEXT_MAX).collect();
    let cut = if start.len() < text.len() { "…" } else { "" };
    format!("{:?}", format!("{start}{cut}"))
}

/// The first problems, and how many there are besides.
pub(super) fn limited(mut problems: Vec<String>) -> Vec<String> {
    let all = problems.len();
    if all > PROBLEMS_MAX {
        problems.truncate(PROBLEMS_MAX);
        problems.push(format!("and {} more", all - PROBLEMS_MAX));
    }
    problems
}

fn finish(networks: Networks, problems: Vec<String>) -> Result<Networks, Vec<String>> {
    if problems.is_empty() {
        Ok(networks)
    } else {
        Err(limited(problems))
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let mapped = v6.addr().to_ipv4_mapped();
    let len = v6.prefix_len().checked_sub(96);
    match mapped.zip(len).map(|(v4, len)| Ipv4Net::new(v4, len)) {
        Some(Ok(v4)) => v4.into(),
        _ => network,
    }
}

fn covers<N: Ord + Copy>(ranges: &[(N, N)], address: N) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after > 0 && address <= ranges[after - 1].1
}

fn merged<N>(mut ranges: Vec<(N, N)>, one: N) -> Ranges<N>
where
    N: Ord + Copy + std::ops::Sub<Output = N>,
{
    ranges.sort_unstable();
    let mut merged: Vec<(N, N)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            // Not `before.1 + 1`: the last address has none after it.
            Some(before) if first <= before.1 || first - one == before.1 => {
                before.1 = before.1.max(last);
            }
            _ => merged.push((first, last)),
        }
    }
    merged.into()
}
