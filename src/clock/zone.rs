//! Time zones: found by what people type, and what a clock on the wall there shows.

use std::sync::LazyLock;

use icu_normalizer::DecomposingNormalizerBorrowed;
use jiff::tz::{self, Offset, TimeZone};

use super::Timestamp;

/// No zone's name has half as many characters. It is looked at first: text grows when it is folded
/// (B-78j).
const LONGEST: usize = 64;
/// How like a name a text must be to have meant it, from 0 to 1.
const LIKE: f64 = 0.8;
/// Where names of cities are looked for. Other names with a slash are groups of a country's zones, of
/// an older fashion: `US/Central` is no city.
const REGIONS: [&str; 10] = [
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
];

/// Every name there is, as IANA spells it, and how it is compared.
static NAMES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let names = tz::db().available().map(|name| name.as_str().to_owned());
    names.map(|name| (name.clone(), folded(&name))).collect()
});

/// A text that names no zone, and the names that it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown {
    pub like: [Option<&'static str>; 3],
}

/// The IANA name of the zone that somebody means: in any case, with spaces for `_`, or its city alone.
pub fn find(text: &str) -> Result<&'static str, Unknown> {
    let text = text.trim();
    if text.chars().count() > LONGEST {
        return Err(Unknown { like: [None; 3] });
    }
    let wanted = folded(text);
    let whole = || NAMES.iter().find(|(_, key)| *key == wanted).map(|(name, _)| name.as_str());
    // The city before the short names of an older fashion, such as `Singapore` or `Jamaica`.
    let found = if wanted.contains('/') { whole() } else { of_city(&wanted).or_else(whole) };
    found.ok_or_else(|| Unknown { like: like(&wanted) })
}

/// Some cities have several names: `America/Argentina/Buenos_Aires` has replaced the one without
/// the country, `Europe/Istanbul` the one in Asia.
fn of_city(wanted: &str) -> Option<&'static str> {
    let wanted = wanted.replace('-', "_");
    let cities = NAMES.iter().filter_map(|(name, key)| Some((name.as_str(), city(key)?)));
    let named = cities.filter(|(_, city)| city.replace('-', "_") == wanted).map(|(name, _)| name);
    named.max_by_key(|name| (name.matches('/').count(), *name))
}

/// The last part of a city's zone; none of another name.
fn city(name: &str) -> Option<&str> {
    let (region, _) = name.split_once('/')?;
    let known = REGIONS.iter().any(|known| known.eq_ignore_ascii_case(region));
    name.rsplit('/').next().filter(|_| known)
}

fn like(wanted: &str) -> [Option<&'static str>; 3] {
    let likeness = |key: &str| {
        let part = city(key).unwrap_or(key);
        strsim::jaro_winkler(wanted, key).max(strsim::jaro_winkler(wanted, part))
    };
    let mut near: Vec<(f64, &str)> =
        NAMES.iter().map(|(name, key)| (likeness(key), name.as_str())).collect();
    near.retain(|(likeness, _)| *likeness >= LIKE);
    near.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.cmp(y)));
    let mut names = near.into_iter().map(|(_, name)| name);
    [names.next(), names.next(), names.next()]
}

/// `São Paulo` is `sao_paulo`.
fn folded(text: &str) -> String {
    let plain = DecomposingNormalizerBorrowed::new_nfkd().normalize(text);
    let signs = plain.chars().filter(|c| c.is_ascii()).map(|c| c.to_ascii_lowercase());
    signs.map(|c| if c == ' ' { '_' } else { c }).collect()
}

/// What a clock there shows, such as `31 January 2030, 13:00 CET`; none for a name that nobody
/// knows (any more), and for moments that no clock shows.
pub(super) fn shown(at: Timestamp, zone: &str) -> Option<String> {
    let zone = TimeZone::get(zone).ok()?;
    let at = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
    let there = zone.to_offset_info(at);
    let abbreviation = there.abbreviation();
    let name = match abbreviation.starts_with(char::is_alphabetic) {
        true => abbreviation.to_owned(),
        // Where people have no letters for it, the rules repeat the offset.
        false => from_utc(there.offset()),
    };
    Some(format!("{} {name}", there.offset().to_datetime(at).strftime("%-d %B %Y, %H:%M")))
}

/// `UTC-03:00`.
fn from_utc(offset: Offset) -> String {
    let (sign, minutes) = match offset.seconds() / 60 {
        behind @ ..0 => ('-', -behind),
        ahead => ('+', ahead),
    };
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: Option<&str> = Some("Europe/Berlin");

    fn at(rfc3339: &str) -> Timestamp {
        let at: jiff::Timestamp = rfc3339.parse().expect("a moment");
        Timestamp::from_millis(at.as_millisecond())
    }

    #[test]
    fn a_moment_is_shown_as_the_clock_there_shows_it() {
        let noon = at("2030-01-31T12:00:00Z");
        for (zone, shown) in [
            (None, "31 January 2030, 12:00 UTC"),
            (Some("UTC"), "31 January 2030, 12:00 UTC"),
            (BERLIN, "31 January 2030, 13:00 CET"),
            (Some("America/Sao_Paulo"), "31 January 2030, 09:00 UTC-03:00"),
            (Some("Asia/Kathmandu"), "31 January 2030, 17:45 UTC+05:45"),
            (Some("Pacific/Kiritimati"), "1 February 2030, 02:00 UTC+14:00"),
            (Some("America/St_Johns"), "31 January 2030, 08:30 NST"),
        ] {
            assert_eq!(noon.in_words_of(zone), shown);
        }
    }

    #[test]
    fn summer_time_begins_and_ends_at_its_hour() {
        for (moment, shown) in [
            ("2030-03-31T00:59:59Z", "31 March 2030, 01:59 CET"),
            ("2030-03-31T01:00:00Z", "31 March 2030, 03:00 CEST"),
            ("2030-10-27T00:59:59Z", "27 October 2030, 02:59 CEST"),
            ("2030-10-27T01:00:00Z", "27 October 2030, 02:00 CET"),
        ] {
            assert_eq!(at(moment).in_words_of(BERLIN), shown);
        }
    }

    #[test]
    fn an_unknown_zone_is_utc_and_no_moment_is_too_far() {
        let noon = at("2030-01-31T12:00:00Z");
        for zone in ["Atlantis/Poseidonis", "", "../../etc/passwd", "Europe/Berlin\0", "é"] {
            assert_eq!(noon.in_words_of(Some(zone)), "31 January 2030, 12:00 UTC", "{zone}");
        }
        for millis in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
            let moment = Timestamp::from_millis(millis);
            for (name, _) in NAMES.iter().step_by(40) {
                let shown = moment.in_words_of(Some(name));
                assert_eq!(shown.is_empty(), moment.in_words().is_empty(), "{millis}: {shown}");
            }
        }
    }

    #[test]
    fn a_zone_is_found_by_what_people_type() {
        for (text, name) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("  europe/BERLIN ", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("new york", "America/New_York"),
            ("america/new york", "America/New_York"),
            ("São Paulo", "America/Sao_Paulo"),
            ("Port-au-Prince", "America/Port-au-Prince"),
            ("port au prince", "America/Port-au-Prince"),
            ("buenos aires", "America/Argentina/Buenos_Aires"),
            ("louisville", "America/Kentucky/Louisville"),
            ("istanbul", "Europe/Istanbul"),
            ("singapore", "Asia/Singapore"),
            ("utc", "UTC"),
            ("gmt", "GMT"),
            ("etc/gmt+3", "Etc/GMT+3"),
            ("etc/gmt-3", "Etc/GMT-3"),
            ("Asia/Calcutta", "Asia/Calcutta"),
        ] {
            assert_eq!(find(text), Ok(name), "{text}");
        }
    }

    #[test]
    fn every_zone_is_found_by_its_name_and_every_city_alone() {
        for (name, _) in NAMES.iter() {
            let found = if name.contains('/') { name.as_str() } else { find(name).expect(name) };
            assert_eq!(find(name), Ok(found));
            if let Some(city) = city(name) {
                assert!(find(&city.replace('_', " ")).is_ok(), "{city}");
            }
        }
        assert!(NAMES.len() > 500, "{}", NAMES.len());
    }

    #[test]
    fn cities_of_one_name_have_one_time() {
        let moments = [0, 700_000_000_000, 1_900_000_000_000].map(Timestamp::from_millis);
        for (name, key) in NAMES.iter() {
            let Some(found) = city(key).and_then(of_city) else { continue };
            for moment in moments {
                assert_eq!(moment.in_words_of(Some(name)), moment.in_words_of(Some(found)));
            }
        }
    }

    #[test]
    fn what_is_no_zone_is_told_its_likes() {
        let likes = |text: &str| match find(text) {
            Err(unknown) => unknown.like.into_iter().flatten().collect::<Vec<_>>(),
            Ok(name) => panic!("{text} is {name}"),
        };
        assert_eq!(likes("Berln")[0], "Europe/Berlin");
        assert_eq!(likes("Europe/Berlim")[0], "Europe/Berlin");
        assert_eq!(likes("Los Angles")[0], "America/Los_Angeles");
        // A sign that was lost on the way must not become the other one.
        assert!(find("Etc/GMT 3").is_err());
        // No sign of it can be in a name.
        assert!(find("").is_err() && find("ベルリン").is_err());
        assert_eq!(likes("qqqqqq"), Vec::<&str>::new());
        assert_eq!(likes("1234567890"), Vec::<&str>::new());
    }

    #[test]
    fn b78j_a_text_that_grows_when_it_is_folded_is_measured_before() {
        let text = "\u{fdfa}".repeat(LONGEST + 1);
        assert_eq!(find(&text), Err(Unknown { like: [None; 3] }));
        assert_eq!(find(&"Berlin".repeat(1000)), Err(Unknown { like: [None; 3] }));
    }
}
