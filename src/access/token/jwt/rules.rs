//! `accessRules`, the claim by which Cloudflare Stream's tokens narrow who may watch: the first rule that matches
//! decides, and where none does the token is good. A list that is to allow nobody else ends with
//! `{"type": "any", "action": "block"}`.

use crate::access::{Asking, Country, Refusal};
use ipnet::IpNet;

use super::json::{Json, Object};
use super::terms::{each, network};

#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    whom: Whom,
    action: Action,
}

#[derive(Debug)]
enum Whom {
    Any,
    Networks(Vec<IpNet>),
    Countries(Vec<Country>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Allow,
    Block,
}

impl Rules {
    /// Reads the claim.
    ///
    /// # Errors
    /// [`Refusal::TokenClaim`] for a type, an action or a member that is not known, and for a list that is missing,
    /// empty or not readable: a rule that matches nobody must not pass for one that blocks.
    pub(super) fn read(claim: &Json<'_>) -> Result<Self, Refusal> {
        let list = claim.list().ok_or(Refusal::TokenClaim)?;
        let rule = |value: &Json<'_>| Rule::read(value.object().ok_or(Refusal::TokenClaim)?);
        list.iter().map(rule).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn permit(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        // A closing `any` blocks for what the rules before it asked for.
        let mut asked_for = Refusal::TokenScope;
        for Rule { whom, action } in &self.0 {
            let matches = match whom {
                Whom::Any => true,
                Whom::Networks(list) => {
                    asked_for = Refusal::TokenAddress;
                    list.iter().any(|network| network.contains(&asking.viewer))
                }
                Whom::Countries(list) => {
                    asked_for = Refusal::TokenCountry;
                    match asking.place.country {
                        Some(country) => list.contains(&country),
                        // Nobody can say that the block does not mean this viewer.
                        None => *action == Action::Block,
                    }
                }
            };
            match action {
                Action::Allow if matches => return Ok(()),
                Action::Block if matches => return Err(asked_for),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Rule {
    fn read(rule: &Object<'_>) -> Result<Self, Refusal> {
        let word = |name| {
            rule.member(name)
                .and_then(Json::text)
                .ok_or(Refusal::TokenClaim)
        };
        let (whom, own) = match word("type")? {
            "any" => (Whom::Any, None),
            "ip.src" => (Whom::Networks(listed(rule, "ip", network)?), Some("ip")),
            "ip.geoip.country" => {
                let countries = listed(rule, "country", Country::parse)?;
                (Whom::Countries(countries), Some("country"))
            }
            _ => return Err(Refusal::TokenClaim),
        };
        let action = match word("action")? {
            "allow" => Action::Allow,
            "block" => Action::Block,
            _ => return Err(Refusal::TokenClaim),
        };
        let mut names = rule.names();
        if !names.all(|name| matches!(name, "type" | "action") || Some(name) == own) {
            return Err(Refusal::TokenClaim);
        }
        Ok(Self { whom, action })
    }
}

fn listed<T>(
    rule: &Object<'_>,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Refusal> {
    let list = each(rule, name, read)?.ok_or(Refusal::TokenClaim)?;
    if list.is_empty() {
        return Err(Refusal::TokenClaim);
    }
    Ok(list)
}
