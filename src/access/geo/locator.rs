//! Looks addresses up in MMDB files: MaxMind's and those that others write in their format.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::access::{Place, Region};
use maxminddb::{LookupResult, PathElement, Reader, WithinOptions};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::networks::limited;
use super::{Facts, regions};

/// Bytes of a database. The largest that are sold have a few hundred million.
const FILE_MAX: u64 = 1 << 30;

/// How often a tree's 2 N leaves are met when it is walked: IPv4 appears where it is mapped, in 6to4, in Teredo. A tree
/// whose branches meet at every node has more leaves than anyone can walk.
const WALKS_MAX: usize = 8;

type Path = &'static [PathElement<'static>];

/// Where databases keep the country's code: MaxMind, ip-location-db, IPinfo.
const COUNTRY: [Path; 3] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
];

/// Where they keep the code of its part. MaxMind lists the largest first.
const REGION: [Path; 2] = [
    &[
        PathElement::Key("subdivisions"),
        PathElement::Index(0),
        PathElement::Key("iso_code"),
    ],
    &[PathElement::Key("region_code")],
];

/// Where they keep the autonomous system: MaxMind and ip-location-db, IPinfo.
const ASN: [Path; 2] = [
    &[PathElement::Key("autonomous_system_number")],
    &[PathElement::Key("asn")],
];

/// MaxMind's Anonymous IP flags an address by these, all of them absent where they are false.
const ANONYMOUS: [Path; 6] = [
    &[PathElement::Key("is_anonymous")],
    &[PathElement::Key("is_anonymous_vpn")],
    &[PathElement::Key("is_hosting_provider")],
    &[PathElement::Key("is_public_proxy")],
    &[PathElement::Key("is_residential_proxy")],
    &[PathElement::Key("is_tor_exit_node")],
];

/// Databases held in memory: a file that is replaced or cut short while they are in use changes nothing.
#[derive(Debug)]
pub struct Locator {
    databases: Vec<Database>,
}

/// What a database says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description<'a> {
    /// Its file.
    pub name: &'a str,
    /// Its type: `GeoIP2-Country`.
    pub kind: &'a str,
    /// When it was built, in Unix seconds.
    pub built: u64,
    /// What it tells.
    pub tells: Facts,
}

#[derive(Debug)]
struct Database {
    name: String,
    reader: Reader<Vec<u8>>,
    schema: Schema,
}

/// Which of the paths a database has.
#[derive(Debug, Clone, Copy, Default)]
struct Schema {
    country: Option<Path>,
    region: Option<Path>,
    asn: Option<Path>,
    anonymous: [Option<Path>; ANONYMOUS.len()],
}

/// A number as databases write it: `64496` or `AS64496`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Plain(u32),
    Text(&'a str),
}

impl Locator {
    /// Reads databases. Where two tell the same, the first that knows is believed.
    ///
    /// Every record is decoded once, so that nothing is broken later: some seconds for a database of cities.
    ///
    /// # Errors
    /// Every file that cannot be read, is broken, or tells nothing that is of use here.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Vec<String>> {
        let files = paths.iter().map(|path| {
            let name = path.display().to_string();
            let bytes = bytes(path).map_err(|error| format!("{name}: cannot be read: {error}"))?;
            Ok((name, bytes))
        });
        Self::collect(files)
    }

    /// As [`Locator::open`], with names and bytes at hand.
    ///
    /// # Errors
    /// As there.
    pub fn from_bytes(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, Vec<String>> {
        Self::collect(files.into_iter().map(Ok))
    }

    /// Where an address is. Allocates only where a database cannot answer: one of IPv4 asked for IPv6, a record of another
    /// shape than the rest.
    pub fn locate(&self, ip: IpAddr) -> Place {
        let ip = ip.to_canonical();
        let places = self.databases.iter().map(|database| database.locate(ip));
        places.reduce(super::completed).unwrap_or_default()
    }

    /// What the databases tell, taken together.
    pub fn tells(&self) -> Facts {
        let all = self
            .databases
            .iter()
            .map(|database| database.schema.tells());
        all.fold(Facts::default(), |one, other| Facts {
            country: one.country || other.country,
            region: one.region || other.region,
            asn: one.asn || other.asn,
            anonymous: one.anonymous || other.anonymous,
        })
    }

    /// What each database says of itself.
    pub fn databases(&self) -> impl Iterator<Item = Description<'_>> {
        self.databases.iter().map(|database| Description {
            name: &database.name,
            kind: &database.reader.metadata().database_type,
            built: database.reader.metadata().build_epoch,
            tells: database.schema.tells(),
        })
    }

    fn collect(
        files: impl Iterator<Item = Result<(String, Vec<u8>), String>>,
    ) -> Result<Self, Vec<String>> {
        let (mut databases, mut problems) = (Vec::new(), Vec::new());
        for file in files {
            match file.and_then(|(name, bytes)| Database::new(name, bytes)) {
                Ok(database) => databases.push(database),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self { databases })
        } else {
            Err(limited(problems))
        }
    }
}

impl Database {
    fn new(name: String, bytes: Vec<u8>) -> Result<Self, String> {
        let broken = |error: &dyn std::fmt::Display| {
            format!("{name}: not a sound MMDB file: {error}; fetch it again")
        };
        if bytes.len() as u64 > FILE_MAX {
            return Err(format!("{name}: longer than {} MiB", FILE_MAX >> 20));
        }
        let reader = Reader::from_source(bytes).map_err(|error| broken(&error))?;
        let schema = Schema::of(&reader).map_err(|error| broken(&error))?;
        if schema.tells() == Facts::default() {
            return Err(format!(
                "{name}: tells neither country nor autonomous system nor who is anonymous: it is a {} database; \
                 leave it out",
                reader.metadata().database_type
            ));
        }
        Ok(Self {
            name,
            reader,
            schema,
        })
    }

    fn locate(&self, ip: IpAddr) -> Place {
        let schema = &self.schema;
        // IPv6 in a database of IPv4 alone: nothing is known of it.
        let Ok(record) = self.reader.lookup(ip) else {
            return Place::default();
        };
        let country = text(&record, schema.country).and_then(regions::known_country);
        Place {
            country,
            region: text(&record, schema.region)
                .and_then(Region::parse)
                .filter(|_| country.is_some()),
            asn: schema.asn.and_then(|path| number(&record, path)),
            anonymous: schema.tells().anonymous.then(|| {
                let mut flags = schema.anonymous.iter().flatten();
                flags.any(|path| matches!(record.decode_path(path), Ok(Some(true))))
            }),
        }
    }
}

impl Schema {
    /// Looks at every record: that it can be decoded, and which paths there are.
    ///
    /// The reader's own `verify` refuses a database without a description, as ip-location-db publishes them.
    fn of(reader: &Reader<Vec<u8>>) -> Result<Self, Box<dyn std::error::Error>> {
        let mut schema = Self::default();
        let mut seen = HashSet::new();
        // With the aliases under which IPv4 appears a second time: skipping them hides from the count below.
        let options = WithinOptions::default()
            .include_networks_without_data()
            .include_aliased_networks();
        let most = reader.metadata().node_count as usize * 2 * WALKS_MAX;
        for (walked, record) in reader.networks(options)?.enumerate() {
            let record = record?;
            if walked > most {
                return Err("its search tree is no tree".into());
            }
            // Records are shared by many networks.
            if !record.offset().is_some_and(|offset| seen.insert(offset)) {
                continue;
            }
            // Also what is not asked for has to be whole: it is stepped over on the way to what is.
            record.decode::<IgnoredAny>()?;
            let is_text = |path: &Path| matches!(record.decode_path::<&str>(path), Ok(Some(_)));
            let is_number = |path: &Path| number(&record, path).is_some();
            let is_flag = |path: &Path| matches!(record.decode_path::<bool>(path), Ok(Some(_)));
            let find = |known: Option<Path>, paths: &[Path], is: &dyn Fn(&Path) -> bool| {
                known.or_else(|| paths.iter().copied().find(is))
            };
            schema.country = find(schema.country, &COUNTRY, &is_text);
            schema.region = find(schema.region, &REGION, &is_text);
            schema.asn = find(schema.asn, &ASN, &is_number);
            for (known, path) in schema.anonymous.iter_mut().zip(ANONYMOUS) {
                *known = find(*known, &[path], &is_flag);
            }
        }
        Ok(schema)
    }

    fn tells(&self) -> Facts {
        Facts {
            country: self.country.is_some(),
            region: self.region.is_some(),
            asn: self.asn.is_some(),
            anonymous: self.anonymous.iter().any(Option::is_some),
        }
    }
}

fn bytes(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len().min(FILE_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text<'a>(record: &LookupResult<'a, Vec<u8>>, path: Option<Path>) -> Option<&'a str> {
    record.decode_path(path?).ok().flatten()
}

fn number(record: &LookupResult<'_, Vec<u8>>, path: Path) -> Option<u32> {
    match record.decode_path(path).ok().flatten()? {
        Number::Plain(number) => Some(number),
        Number::Text(text) => {
            let digits = text.strip_prefix("AS").unwrap_or(text);
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten()
        }
    }
}
