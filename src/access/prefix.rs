//! The token that stands before a path: `/~TOKEN/vod/t1/a.m3u8`. Relative URLs keep it, so that nothing in a playlist
//! needs rewriting, and players need know nothing of it.

/// How such a path begins.
const MARK: &str = "/~";

/// The token and the path behind it, with its slash.
pub fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(MARK)?;
    let slash = rest.find('/')?;
    (slash > 0).then(|| rest.split_at(slash))
}

/// The path as it may be written down: without what may be a token.
pub fn hidden(path: &str) -> std::borrow::Cow<'_, str> {
    match path.strip_prefix(MARK) {
        None => path.into(),
        Some(rest) => {
            let slash = rest.find('/').unwrap_or(rest.len());
            format!("{MARK}{}", &rest[slash..]).into()
        }
    }
}

/// A path with a token before it.
pub fn join(token: &str, path: &str) -> String {
    format!("{MARK}{token}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_off_and_the_path_keeps_its_slash() {
        assert_eq!(split("/~abc/vod/a.ts"), Some(("abc", "/vod/a.ts")));
        assert_eq!(split(&join("x.y", "/a")), Some(("x.y", "/a")));
        for path in ["/vod/a.ts", "/~abc", "/~/vod", "/", "/a/~b/c", "~a/b", ""] {
            assert_eq!(split(path), None, "{path}");
        }
    }

    #[test]
    fn what_may_be_a_token_is_never_written_down() {
        assert_eq!(hidden("/~abc/vod/a.ts"), "/~/vod/a.ts");
        assert_eq!(hidden("/~abc"), "/~");
        assert_eq!(hidden("/vod/~a"), "/vod/~a");
    }
}
