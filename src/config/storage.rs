//! `[storage.NAME]` and `[[route]]`: where assets live, and which path leads there.

use std::path::PathBuf;
use std::time::Duration;

use super::check;
use super::format::{Count, Flag, Folder, Optional, Text, Time, Word};
use super::schema::Keys;

/// `[storage.NAME]`: a place that holds assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// What it is, and where.
    pub kind: StorageKind,
    /// How often a read that fails is tried, the first time included.
    pub attempts: u32,
    /// The most reads at once.
    pub max_concurrent: usize,
}

/// What a storage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageKind {
    /// A folder of this machine.
    Directory {
        /// The folder; a relative one starts where the process does.
        path: PathBuf,
    },
    /// Memory; empty at start. For the demo and for tests.
    Memory,
    /// A bucket of S3, or of what speaks its protocol.
    S3(Box<S3>),
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// Its region; `None` is what the environment or the machine says.
    pub region: Option<String>,
    /// The URL of a service other than AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the URL's path instead of its host.
    pub path_style: bool,
    /// Put before every key; empty or ends with a slash.
    pub prefix: String,
    /// The profile of the AWS configuration files to use.
    pub profile: Option<String>,
    /// Whether to consent to paying for requests.
    pub requester_pays: bool,
    /// The account that must own the bucket: twelve digits.
    pub expected_owner: Option<String>,
    /// Whether reads name the version they want; for buckets with versioning.
    pub versions: bool,
    /// Whether 403 means that the object is absent: S3 says so where listing is denied.
    pub absent_on_denied: bool,
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// From the request to the first byte of the answer.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a body.
    pub stall_timeout: Duration,
    /// For one read as a whole; not below the other three.
    pub total_timeout: Duration,
}

/// `[[route]]`: which storage answers for a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The decoded prefix of URL paths: starts and ends with a slash. The longest that matches wins.
    pub path: String,
    /// The name of the storage; it exists.
    pub storage: String,
    /// Whether `path` is cut off before storage is asked.
    pub strip_prefix: bool,
    /// Put before the key that storage is asked for; empty or ends with a slash.
    pub prepend: String,
    /// The name of what a viewer has to meet; it exists. `None` lets everybody in.
    pub access: Option<String>,
}

/// The word for a [`StorageKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KindWord {
    S3,
    Directory,
    Memory,
}

const KIND_WORDS: [(&str, KindWord); 3] = [
    ("s3", KindWord::S3),
    ("directory", KindWord::Directory),
    ("memory", KindWord::Memory),
];

impl StorageKind {
    fn word(&self) -> KindWord {
        match self {
            Self::Directory { .. } => KindWord::Directory,
            Self::Memory => KindWord::Memory,
            Self::S3(_) => KindWord::S3,
        }
    }

    fn empty(word: KindWord) -> Self {
        match word {
            KindWord::Directory => Self::Directory {
                path: PathBuf::new(),
            },
            KindWord::Memory => Self::Memory,
            KindWord::S3 => Self::S3(Box::default()),
        }
    }
}

impl Storage {
    /// One of every kind, its required values empty.
    pub(super) fn every_kind() -> [Self; 3] {
        KIND_WORDS.map(|(_, word)| Self {
            kind: StorageKind::empty(word),
            ..Self::default()
        })
    }

    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        let mut word = self.kind.word();
        keys.required("kind", &mut word, Word(&KIND_WORDS));
        if word != self.kind.word() {
            self.kind = StorageKind::empty(word);
        }
        match &mut self.kind {
            StorageKind::Directory { path } => keys.required("path", path, Folder("/srv/media")),
            StorageKind::Memory => {}
            StorageKind::S3(s3) => s3.keys(keys),
        }
        keys.key("attempts", &mut self.attempts, Count(1..=20));
        keys.key(
            "max_concurrent",
            &mut self.max_concurrent,
            Count(1..=65_536),
        );
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            kind: StorageKind::Memory,
            attempts: 3,
            max_concurrent: 256,
        }
    }
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            region: None,
            endpoint: None,
            path_style: false,
            prefix: String::new(),
            profile: None,
            requester_pays: false,
            expected_owner: None,
            versions: false,
            absent_on_denied: true,
            connect_timeout: Duration::from_secs(2),
            first_byte_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(60),
        }
    }
}

impl S3 {
    fn keys(&mut self, keys: &mut impl Keys) {
        let text = |check, example| Text { check, example };
        let optional = |check, example| Optional(Text { check, example });
        keys.required("bucket", &mut self.bucket, text(check::bucket, "my-bucket"));
        keys.key(
            "region",
            &mut self.region,
            optional(check::region, "eu-central-1"),
        );
        keys.key(
            "endpoint",
            &mut self.endpoint,
            optional(check::endpoint, "http://localhost:9000"),
        );
        keys.key("path_style", &mut self.path_style, Flag);
        keys.key(
            "prefix",
            &mut self.prefix,
            text(check::key_prefix, "titles/"),
        );
        keys.key(
            "profile",
            &mut self.profile,
            optional(check::profile, "media"),
        );
        keys.key("requester_pays", &mut self.requester_pays, Flag);
        keys.key(
            "expected_owner",
            &mut self.expected_owner,
            optional(check::account, "123456789012"),
        );
        keys.key("versions", &mut self.versions, Flag);
        keys.key("absent_on_denied", &mut self.absent_on_denied, Flag);
        keys.key("connect_timeout", &mut self.connect_timeout, Time::POSITIVE);
        keys.key(
            "first_byte_timeout",
            &mut self.first_byte_timeout,
            Time::POSITIVE,
        );
        keys.key("stall_timeout", &mut self.stall_timeout, Time::POSITIVE);
        keys.key("total_timeout", &mut self.total_timeout, Time::POSITIVE);
    }
}

impl Route {
    /// A route before it is read.
    pub(super) fn unset() -> Self {
        Self {
            path: String::new(),
            storage: String::new(),
            strip_prefix: false,
            prepend: String::new(),
            access: None,
        }
    }

    /// What a lone storage gets without a route.
    pub(super) fn everything_to(storage: &str) -> Self {
        Self {
            path: "/".to_owned(),
            storage: storage.to_owned(),
            ..Self::unset()
        }
    }

    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.required(
            "path",
            &mut self.path,
            Text {
                check: check::route_path,
                example: "/vod/",
            },
        );
        keys.required(
            "storage",
            &mut self.storage,
            Text {
                check: check::storage_name,
                example: "media",
            },
        );
        keys.key("strip_prefix", &mut self.strip_prefix, Flag);
        keys.key(
            "prepend",
            &mut self.prepend,
            Text {
                check: check::key_prefix,
                example: "titles/",
            },
        );
        let access = Text {
            check: check::name,
            example: "viewers",
        };
        keys.key("access", &mut self.access, Optional(access));
    }
}
