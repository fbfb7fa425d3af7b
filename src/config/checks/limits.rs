//! Checks of who may sign up and how often strangers may try.

use crate::accounts::email::Email;
use crate::accounts::registration::SignUpPolicy;
use crate::accounts::throttle::{Rate, Rates};
use crate::config::source::Sources;
use crate::config::{ConfigError, Profile, Settings, Span};

/// More would be no limit.
const MOST_TRIES: u32 = 10_000_000;

/// Reads `10/1m, 100/1d`.
pub fn rates(sources: &Sources, key: &str, text: &str) -> Result<Rates, ConfigError> {
    let rate = |part: &str| {
        let (tries, per) = part.trim().split_once('/')?;
        let tries = tries.parse::<u32>().ok().filter(|tries| (1..=MOST_TRIES).contains(tries))?;
        Some(Rate { tries, per: Span::parse(per)?.0 })
    };
    let rates: Option<Vec<Rate>> = text.split(',').map(rate).collect();
    rates.and_then(Rates::new).ok_or_else(|| {
        let form = "must be like \"10/1m, 100/1d\": so many in so much time, longer times later";
        sources.error(key, &format!("is \"{text}\", {form}"))
    })
}

/// Reads `open`, `closed`, `invited` or a list of domains.
pub fn sign_up(sources: &Sources, settings: &Settings) -> Result<SignUpPolicy, ConfigError> {
    let wrong = |what: &str| sources.error("sign_up", what);
    let policy = match settings.sign_up.trim() {
        "open" => SignUpPolicy::Open,
        "closed" => SignUpPolicy::Closed,
        "invited" => SignUpPolicy::Invited,
        domains => SignUpPolicy::Domains(
            domains
                .split(',')
                .map(|domain| domain_key(domain.trim()))
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    wrong("must be \"open\", \"closed\", \"invited\" or domains: \"example.org\"")
                })?,
        ),
    };
    if matches!(policy, SignUpPolicy::Domains(_)) && !settings.confirm_email {
        return Err(wrong("names domains, and anybody can type an address: set confirm_email too"));
    }
    if sources.profile == Profile::Classroom
        && (settings.confirm_email || policy != SignUpPolicy::Open)
    {
        return Err(wrong("and confirm_email stay as they are in the classroom profile"));
    }
    Ok(policy)
}

/// A domain as addresses are compared by it.
fn domain_key(domain: &str) -> Option<String> {
    // A word of the three above, misspelt, is no domain.
    let email = Email::parse(&format!("somebody@{domain}")).ok()?;
    domain.contains('.').then(|| email.domain().to_owned())
}
