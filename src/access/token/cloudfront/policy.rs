//! The two policies that a signature can be over: the canned one, made of a URL and a time, and the custom one.

use std::net::Ipv4Addr;

use crate::access::Refusal;
use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, Serialize};

/// A custom policy, of which nothing is left unsaid that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Custom {
    /// `Resource`; without one it is for everything.
    pub(super) resource: Option<String>,
    /// `DateLessThan`.
    pub(super) expires: i64,
    /// `DateGreaterThan`.
    pub(super) after: Option<i64>,
    /// `IpAddress`.
    pub(super) network: Option<Ipv4Net>,
}

/// The exact bytes that are signed for one URL. The URL must not need escaping in JSON.
pub(super) fn canned(url: &str, expires: &str) -> String {
    format!(
        r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#
    )
}

/// Whether a URL stands for itself between the quotes of a canned policy. A quote or a backslash could move text from
/// the URL into the policy around it.
pub(super) fn is_quotable(url: &str) -> bool {
    !url.is_empty()
        && url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

impl Custom {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let document: Document =
            serde_json::from_slice(json).map_err(|err| match err.classify() {
                serde_json::error::Category::Data => Refusal::TokenClaim,
                _ => Refusal::TokenMalformed,
            })?;
        let mut statements = match document.statement {
            Statements::One(statement) => vec![statement],
            Statements::Many(statements) => statements,
        };
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(Refusal::TokenClaim);
        };
        let Condition {
            date_less_than,
            ip_address,
            date_greater_than,
        } = statement.condition;
        let network = ip_address.map(|ip| network(&ip.source_ip).ok_or(Refusal::TokenClaim));
        Ok(Self {
            resource: statement.resource,
            expires: date_less_than.ok_or(Refusal::TokenMalformed)?.epoch_time,
            after: date_greater_than.map(|date| date.epoch_time),
            network: network.transpose()?,
        })
    }

    pub(super) fn to_json(&self) -> String {
        let date = |epoch_time| Date { epoch_time };
        let statement = Statement {
            resource: self.resource.clone(),
            condition: Condition {
                date_less_than: Some(date(self.expires)),
                ip_address: self.network.map(|network| IpAddress {
                    source_ip: network.to_string(),
                }),
                date_greater_than: self.after.map(date),
            },
        };
        let document = Document {
            statement: Statements::Many(vec![statement]),
        };
        serde_json::to_string(&document).expect("strings and numbers can be written as JSON")
    }
}

/// One IPv4 address, or a network of them.
fn network(text: &str) -> Option<Ipv4Net> {
    let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
    if !(1..=2).contains(&bits.len()) || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Ipv4Net::new(address.parse::<Ipv4Addr>().ok()?, bits.parse().ok()?).ok()
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "Statement")]
    statement: Statements,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Statements {
    One(Statement),
    Many(Vec<Statement>),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Resource", default, deserialize_with = "never_null")]
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(rename = "Condition")]
    condition: Condition,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    #[serde(rename = "DateLessThan", default, deserialize_with = "never_null")]
    #[serde(skip_serializing_if = "Option::is_none")]
    date_less_than: Option<Date>,
    #[serde(rename = "IpAddress", default, deserialize_with = "never_null")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<IpAddress>,
    #[serde(rename = "DateGreaterThan", default, deserialize_with = "never_null")]
    #[serde(skip_serializing_if = "Option::is_none")]
    date_greater_than: Option<Date>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Date {
    #[serde(rename = "AWS:EpochTime")]
    epoch_time: i64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct IpAddress {
    #[serde(rename = "AWS:SourceIp")]
    source_ip: String,
}

/// A condition that is there and says nothing is not the same as none.
fn never_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(statement: &str) -> Result<Custom, Refusal> {
        Custom::parse(format!(r#"{{"Statement":{statement}}}"#).as_bytes())
    }

    #[test]
    fn a_statement_may_stand_alone_or_in_an_array_with_any_space_around() {
        let alone = r#"{"Condition":{"DateLessThan":{"AWS:EpochTime":9}}}"#;
        let everything = Custom {
            resource: None,
            expires: 9,
            after: None,
            network: None,
        };
        assert_eq!(parse(alone), Ok(everything.clone()));
        assert_eq!(parse(&format!("[\n  {alone}\t]")), Ok(everything.clone()));
        assert_eq!(
            Custom::parse(format!("{{\"Statement\":{alone}}}\r\n").as_bytes()),
            Ok(everything)
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let custom = Custom {
            resource: Some(r"https://h/a*?b\?c".to_owned()),
            expires: 2_145_916_800,
            after: Some(1_735_689_600),
            network: Some("192.0.2.0/24".parse().unwrap()),
        };
        assert_eq!(Custom::parse(custom.to_json().as_bytes()), Ok(custom));
    }

    #[test]
    fn one_address_or_one_network() {
        for (text, expected) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.7/32", Some("192.0.2.7/32")),
            ("192.0.2.7/24", Some("192.0.2.7/24")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("192.0.2.0/33", None),
            ("192.0.2.0/+8", None),
            ("192.0.2.0/", None),
            ("192.0.2.0/008", None),
            ("192.0.2/24", None),
            ("010.0.0.1", None),
            ("192.0.2.7,192.0.2.8", None),
            ("2001:db8::/32", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(
                network(text).map(|net| net.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let end = r#""DateLessThan":{"AWS:EpochTime":9}"#;
        let good = format!(r#"{{"Condition":{{{end}}}}}"#);
        for statement in [
            "[]".to_owned(),
            format!("[{good},{good}]"),
            format!("[[{good}]]"),
            "7".to_owned(),
            "null".to_owned(),
            r#"{"Resource":"*"}"#.to_owned(),
            format!(r#"{{"Condition":{{{end}}},"Effect":"Deny"}}"#),
            format!(r#"{{"Condition":{{{end}}},"Resource":null}}"#),
            format!(r#"{{"Condition":{{{end}}},"Resource":["*"]}}"#),
            format!(r#"{{"Condition":{{{end}}},"Resource":"a","Resource":"*"}}"#),
            format!(r#"{{"Condition":{{{end},{end}}}}}"#),
            format!(r#"{{"Condition":{{{end},"StringEquals":{{}}}}}}"#),
            format!(r#"{{"Condition":{{{end},"DateGreaterThan":null}}}}"#),
            format!(r#"{{"Condition":{{{end},"IpAddress":null}}}}"#),
            format!(r#"{{"Condition":{{{end},"IpAddress":{{}}}}}}"#),
            format!(r#"{{"Condition":{{{end},"IpAddress":{{"AWS:SourceIp":["192.0.2.1"]}}}}}}"#),
            format!(r#"{{"Condition":{{{end},"IpAddress":{{"AWS:SourceIp":"2001:db8::1"}}}}}}"#),
            format!(r#"{{"Condition":{{{end},"NotIpAddress":{{"AWS:SourceIp":"192.0.2.1"}}}}}}"#),
            r#"{"Condition":{"DateLessThan":{"AWS:EpochTime":"9"}}}"#.to_owned(),
            r#"{"Condition":{"DateLessThan":{"AWS:EpochTime":9.5}}}"#.to_owned(),
            r#"{"Condition":{"DateLessThan":{"AWS:EpochTime":99999999999999999999}}}"#.to_owned(),
            r#"{"Condition":{"DateLessThan":{"AWS:EpochTime":9,"x":1}}}"#.to_owned(),
        ] {
            assert_eq!(parse(&statement), Err(Refusal::TokenClaim), "{statement}");
        }
    }

    #[test]
    fn what_is_not_a_policy_is_malformed() {
        for json in [
            "",
            "{",
            r#"{"Statement":"#,
            "\u{feff}{}",
            r#"{"Statement":[]}}"#,
            r#"{"Statement":{"Resource":"https://h/a\?b"}}"#,
        ] {
            assert_eq!(
                Custom::parse(json.as_bytes()),
                Err(Refusal::TokenMalformed),
                "{json}"
            );
        }
        assert_eq!(Custom::parse(b"\"\xff\""), Err(Refusal::TokenMalformed));
        assert_eq!(parse(r#"{"Condition":{}}"#), Err(Refusal::TokenMalformed));
        let deep = "[".repeat(6000);
        assert_eq!(parse(&deep), Err(Refusal::TokenMalformed));
    }

    #[test]
    fn a_url_that_would_need_escaping_is_told() {
        assert!(is_quotable("https://h/a%22b?c=d&e='f'"));
        for url in [
            "",
            "https://h/a\"b",
            "https://h/a\\b",
            "https://h/a b",
            "https://h/ä",
            "https://h/\u{7f}",
        ] {
            assert!(!is_quotable(url), "{url}");
        }
    }
}
