//! A line for a person at a terminal.

use std::io::Write as _;

use super::Line;

pub(super) fn write(out: &mut Vec<u8>, line: &Line<'_>) {
    // Writing to a vector does not fail.
    let _ = write!(
        out,
        "{} {} {} {} {} {} {} B {:.1} ms",
        humantime::format_rfc3339_millis(line.time),
        line.viewer,
        line.method,
        Printable(line.path),
        line.status,
        line.cache,
        line.bytes,
        line.duration.as_secs_f64() * 1e3,
    );
    for (name, value) in [
        ("reason", line.reason),
        ("range", line.range),
        ("cut by", line.cut_by),
    ] {
        if let Some(value) = value {
            let _ = write!(out, " {name}={value}");
        }
    }
    out.push(b'\n');
}

/// Text without what a terminal would take for a command.
struct Printable<'a>(&'a str);

impl std::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in self.0.split_inclusive(char::is_control) {
            match part.strip_suffix(char::is_control) {
                Some(plain) => write!(f, "{plain}{}", part[plain.len()..].escape_unicode())?,
                None => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::access_log::tests::line;

    #[test]
    fn a_path_commands_no_terminal() {
        let path = "/a\u{9b}2Jb\u{7f}";
        let mut bytes = Vec::new();
        write(&mut bytes, &Line { path, ..line() });
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("/a\\u{9b}2Jb\\u{7f} "), "{text}");
    }

    #[test]
    fn a_line_is_one_line() {
        let mut bytes = Vec::new();
        write(&mut bytes, &line());
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "2023-11-14T22:13:20.007Z 192.0.2.7 GET /vod/a \"b\".m4s 206 miss 10 B 2.5 ms \
             reason=unknown range=bytes=0-9\n"
        );
    }
}
