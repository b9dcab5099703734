//! Countries, and the groups of them that have a name of their own.

use crate::access::Country;

/// ISO 3166-1 alpha-2, and XK for Kosovo, which ISO leaves to its users and databases use.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA \
    CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA \
    GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP \
    KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS \
    MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS \
    RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW \
    TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// The member states of the European Union.
const EU27: &str =
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";

/// What the European Economic Area adds to them.
const EEA_BESIDES: &str = "IS LI NO";

/// A set of countries: a bit for each two letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Countries([u64; WORDS]);

const WORDS: usize = (26 * 26_usize).div_ceil(64);

impl Countries {
    /// Puts a country in.
    pub fn insert(&mut self, country: Country) {
        let (word, bit) = place(country);
        self.0[word] |= bit;
    }

    /// Puts all of another set in.
    pub fn extend(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// Whether a country is in the set.
    pub fn contains(&self, country: Country) -> bool {
        let (word, bit) = place(country);
        self.0[word] & bit != 0
    }

    /// Whether no country is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    fn of(codes: &str) -> Self {
        let mut set = Self::default();
        let countries = codes.split_ascii_whitespace().filter_map(Country::parse);
        countries.for_each(|country| set.insert(country));
        set
    }
}

/// The country that data names; `UK` is `GB`. None for what is no country: `XX`, `ZZ`, `EU` and other codes by which
/// databases say that they do not know.
pub fn known_country(text: &str) -> Option<Country> {
    let country = match Country::parse(text)? {
        country if country.as_str() == "UK" => Country::parse("GB")?,
        country => country,
    };
    KNOWN.contains(country).then_some(country)
}

/// A group that always has its name: `EU27`, `EEA`.
pub fn group(name: &str) -> Option<Countries> {
    let mut set = Countries::of(EU27);
    match name {
        "EU27" => Some(set),
        "EEA" => {
            set.extend(&Countries::of(EEA_BESIDES));
            Some(set)
        }
        _ => None,
    }
}

static KNOWN: std::sync::LazyLock<Countries> =
    std::sync::LazyLock::new(|| Countries::of(COUNTRIES));

fn place(country: Country) -> (usize, u64) {
    // Two upper-case letters always, by the type.
    let letter = |at: usize| usize::from(country.as_str().as_bytes()[at] - b'A');
    let at = letter(0) * 26 + letter(1);
    (at / 64, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(set: &Countries) -> u32 {
        set.0.iter().map(|word| word.count_ones()).sum()
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let letters = || 'A'..='Z';
        let all: Vec<Country> = letters()
            .flat_map(|a| letters().map(move |b| format!("{a}{b}")))
            .map(|code| Country::parse(&code).unwrap())
            .collect();
        for one in &all {
            let mut set = Countries::default();
            assert!(set.is_empty());
            set.insert(*one);
            assert_eq!(count(&set), 1);
            assert!(
                all.iter()
                    .all(|other| set.contains(*other) == (other == one))
            );
        }
    }

    #[test]
    fn the_lists_are_complete() {
        assert_eq!(count(&KNOWN), 250);
        assert_eq!(count(&group("EU27").unwrap()), 27);
        assert_eq!(count(&group("EEA").unwrap()), 30);
        assert!(
            group("EEA")
                .unwrap()
                .contains(Country::parse("NO").unwrap())
        );
        assert!(
            !group("EU27")
                .unwrap()
                .contains(Country::parse("GB").unwrap())
        );
        assert!(group("eu27").is_none());
    }

    #[test]
    fn uk_is_gb_and_what_is_no_country_is_unknown() {
        assert_eq!(known_country("uk"), Country::parse("GB"));
        assert_eq!(known_country("xk"), Country::parse("XK"));
        for text in [
            "XX", "ZZ", "EU", "AP", "EN", "A1", "T1", "", "D", "DEU", "ÄÖ",
        ] {
            assert_eq!(known_country(text), None, "{text}");
        }
    }
}
