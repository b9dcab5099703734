//! What is wrong with a configuration: every problem at once, each with its place, its key and its fix.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is no TOML, or says something that cannot be. Displays one problem a line.
    #[error("{}", listing(file.as_deref(), problems))]
    Invalid {
        /// Where the text came from, if from a file.
        file: Option<PathBuf>,
        /// At least one, in the order of the text; problems without a place come last.
        problems: Vec<Problem>,
    },
    /// Serving needs a storage, and none is named.
    #[error(
        "no storage is configured: add [storage.media] with kind = \"s3\" and bucket = \"my-bucket\", \
         or with kind = \"directory\" and path = \"/srv/media\""
    )]
    NoStorage,
}

impl Error {
    pub(super) fn invalid(file: Option<PathBuf>, mut problems: Vec<Problem>) -> Self {
        // Stable: problems of one line stay in the order they were found.
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        Self::Invalid { file, problems }
    }

    /// The single problems, in order; empty unless this is [`Error::Invalid`].
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            _ => &[],
        }
    }
}

/// One thing to fix. Displays as `line 3: unknown key cache.memroy: did you mean cache.memory?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the offending value was written.
    pub origin: Origin,
    /// The dotted key, `storage.media.bucket` or `route[2].path`; empty where the text is no TOML.
    pub key: String,
    /// Key, value and fix in words.
    pub message: String,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the text, on this line; the first is 1.
    Line(usize),
    /// In this environment variable.
    Variable(String),
    /// Nowhere: it is missing, or a default.
    Nowhere,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Line(line) => write!(f, "line {line}: {}", self.message),
            Origin::Variable(name) => write!(f, "{name}: {}", self.message),
            Origin::Nowhere => f.write_str(&self.message),
        }
    }
}

fn listing(file: Option<&Path>, problems: &[Problem]) -> String {
    let lines = problems
        .iter()
        .map(|problem| match (file, &problem.origin) {
            // The form editors and terminals make clickable.
            (Some(file), Origin::Line(line)) => {
                format!("{}:{line}: {}", file.display(), problem.message)
            }
            (Some(file), Origin::Nowhere) => format!("{}: {}", file.display(), problem.message),
            _ => problem.to_string(),
        });
    lines.collect::<Vec<_>>().join("\n")
}
