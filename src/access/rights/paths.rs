//! Where a path has its title and its quality.

use super::super::networks::{limited, shown};

/// Patterns of one list.
const PATTERNS_MAX: usize = 64;

/// Bytes of a pattern.
const PATTERN_MAX: usize = 1024;

/// Patterns by which paths are read: `/vod/{title}/*`, `/vod/{title}/{height}p/*`, `/films/{title}.mp4`.
///
/// Between slashes stands text with at most one hole: `{title}`; `{height}` in lines; `{bandwidth}` in bit/s or `{kbps}`
/// in kbit/s, both whole numbers; `*` for anything. A lone `*` at the end covers all that follows. The title is that of
/// the first pattern that matches; the quality is the highest that any pattern tells which finds the same title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(Vec<Pattern>);

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
    /// Whether more segments may follow, and at least one must.
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    before: String,
    hole: Option<Hole>,
    after: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    Anything,
    Title,
    Height,
    Bandwidth,
    Kbps,
}

/// What a path tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) title: &'a str,
    pub(super) height: Option<u32>,
    pub(super) bandwidth: Option<u64>,
}

/// What one pattern finds.
#[derive(Default)]
struct Holes<'a> {
    title: Option<&'a str>,
    height: Option<u32>,
    bandwidth: Option<u64>,
}

impl Paths {
    /// Reads patterns; each has a `{title}`.
    ///
    /// # Errors
    /// Every pattern that cannot be read, with its fix.
    pub fn new(texts: &[String]) -> Result<Self, Vec<String>> {
        let (mut patterns, mut problems) = (Vec::new(), Vec::new());
        if texts.is_empty() || texts.len() > PATTERNS_MAX {
            problems.push(format!(
                "{} patterns of paths: write 1 to {PATTERNS_MAX}, such as /vod/{{title}}/*",
                texts.len()
            ));
        }
        for text in texts.iter().take(PATTERNS_MAX) {
            match Pattern::parse(text) {
                Ok(pattern) if pattern.count(Hole::Title) == 1 => patterns.push(pattern),
                Ok(_) => problems.push(format!(
                    "{} has not exactly one {{title}}: write /vod/{{title}}/*",
                    shown(text)
                )),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self(patterns))
        } else {
            Err(limited(problems))
        }
    }

    pub(super) fn find<'a>(&self, path: &'a str) -> Option<Found<'a>> {
        let mut found: Option<Found<'a>> = None;
        for holes in self.0.iter().filter_map(|pattern| pattern.read(path)) {
            let title = holes.title?;
            let found = found.get_or_insert(Found {
                title,
                height: None,
                bandwidth: None,
            });
            if found.title == title {
                found.height = found.height.max(holes.height);
                found.bandwidth = found.bandwidth.max(holes.bandwidth);
            }
        }
        found
    }

    /// Whether any path can tell its height.
    pub(super) fn tell_height(&self) -> bool {
        self.0.iter().any(|pattern| pattern.count(Hole::Height) > 0)
    }

    /// Whether any path can tell its bandwidth.
    pub(super) fn tell_bandwidth(&self) -> bool {
        let tells = |pattern: &Pattern| pattern.count(Hole::Bandwidth) + pattern.count(Hole::Kbps);
        self.0.iter().any(|pattern| tells(pattern) > 0)
    }
}

impl Pattern {
    /// Reads a pattern whose only holes are `*`.
    ///
    /// # Errors
    /// Where it is none, with the fix.
    pub fn plain(text: &str) -> Result<Self, String> {
        let pattern = Self::parse(text)?;
        let is_plain = |segment: &Segment| matches!(segment.hole, None | Some(Hole::Anything));
        if pattern.segments.iter().all(is_plain) {
            Ok(pattern)
        } else {
            Err(format!(
                "{} takes no hole but *: write /vod/t1/v5/*",
                shown(text)
            ))
        }
    }

    /// Whether it covers a path.
    pub fn matches(&self, path: &str) -> bool {
        self.read(path).is_some()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{} is no pattern of paths: {why}", shown(text)));
        if text.len() > PATTERN_MAX {
            return wrong("it is longer than 1024 bytes");
        }
        let Some(rest) = text.strip_prefix('/') else {
            return wrong("begin it with a slash");
        };
        let (rest, open) = match rest.strip_suffix("/*") {
            Some(start) => (start, true),
            None if rest == "*" => ("", true),
            None => (rest, false),
        };
        let mut segments = Vec::new();
        for part in rest.split('/').filter(|_| !rest.is_empty()) {
            match Segment::parse(part) {
                Ok(segment) => segments.push(segment),
                Err(why) => return wrong(why),
            }
        }
        let pattern = Self { segments, open };
        let repeated = [Hole::Title, Hole::Height, Hole::Bandwidth, Hole::Kbps]
            .into_iter()
            .any(|hole| pattern.count(hole) > 1);
        if repeated {
            return wrong("write each hole once");
        }
        Ok(pattern)
    }

    fn count(&self, hole: Hole) -> usize {
        let holes = self.segments.iter().filter_map(|segment| segment.hole);
        holes.filter(|one| *one == hole).count()
    }

    fn read<'a>(&self, path: &'a str) -> Option<Holes<'a>> {
        let mut rest = path.strip_prefix('/');
        let mut holes = Holes::default();
        for segment in &self.segments {
            let (part, after) = first(rest?);
            segment.read(part, &mut holes)?;
            rest = after;
        }
        (rest.is_some() == self.open).then_some(holes)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it has two slashes in a row, or one at the end");
        }
        let Some(at) = text.find(['*', '{']) else {
            return Self::new(text, None, "");
        };
        let (before, rest) = text.split_at(at);
        if let Some(after) = rest.strip_prefix('*') {
            return Self::new(before, Some(Hole::Anything), after);
        }
        let unclosed = "close the hole: {title}";
        let (name, after) = rest[1..].split_once('}').ok_or(unclosed)?;
        let hole = match name {
            "title" => Hole::Title,
            "height" => Hole::Height,
            "bandwidth" => Hole::Bandwidth,
            "kbps" => Hole::Kbps,
            _ => return Err("a hole is {title}, {height}, {bandwidth}, {kbps} or *"),
        };
        Self::new(before, Some(hole), after)
    }

    fn new(before: &str, hole: Option<Hole>, after: &str) -> Result<Self, &'static str> {
        if [before, after]
            .iter()
            .any(|text| text.contains(['*', '{', '}']))
        {
            return Err("between two slashes stands one hole at most");
        }
        Ok(Self {
            before: before.to_owned(),
            hole,
            after: after.to_owned(),
        })
    }

    fn read<'a>(&self, text: &'a str, holes: &mut Holes<'a>) -> Option<()> {
        let Some(hole) = self.hole else {
            return (text == self.before).then_some(());
        };
        let held = self.held(text)?;
        match hole {
            Hole::Anything => {}
            Hole::Title if held.is_empty() => return None,
            Hole::Title => holes.title = Some(held),
            Hole::Height => holes.height = Some(u32::try_from(number(held)?).ok()?),
            Hole::Bandwidth => holes.bandwidth = Some(number(held)?),
            Hole::Kbps => holes.bandwidth = Some(number(held)?.checked_mul(1000)?),
        }
        Some(())
    }

    /// What stands in the hole. Empty text is not compared with: glibc's `memcmp` may take 40 ns to compare no bytes at
    /// the address that an empty `String` has.
    fn held<'a>(&self, text: &'a str) -> Option<&'a str> {
        let rest = match self.before.as_str() {
            "" => text,
            before => text.strip_prefix(before)?,
        };
        match self.after.as_str() {
            "" => Some(rest),
            after => rest.strip_suffix(after),
        }
    }
}

/// What stands before the next slash, and after it. Segments are short: a loop is faster than `split`.
fn first(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|byte| byte == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
