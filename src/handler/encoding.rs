//! Whether a viewer takes gzip (RFC 9110 §12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// Whether `gzip`, `x-gzip` or `*` is listed with a weight above zero. The named coding outranks `*`.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut wildcard = false;
    for line in headers.get_all(ACCEPT_ENCODING) {
        for item in line.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let refused = parts.any(is_zero_weight);
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                return !refused;
            }
            wildcard |= coding == "*" && !refused;
        }
    }
    wildcard
}

fn is_zero_weight(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|q| q <= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_listed_and_not_refused() {
        for (header, taken) in [
            ("gzip", true),
            ("br, GZIP", true),
            ("x-gzip", true),
            ("*", true),
            ("gzip;q=0.5, br", true),
            ("deflate, gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("*;q=0", false),
            ("*, gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, header.parse().unwrap());
            assert_eq!(accepts_gzip(&headers), taken, "{header:?}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
