//! What `gatehouse user` prints: lines for people, or one JSON value.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::accounts::operator::PrintedLink;
use crate::accounts::password::LOCKED;
use crate::accounts::session::Session;
use crate::accounts::user::User;
use crate::clock::Timestamp;
use crate::log::harmless;

/// What a command found or did.
pub enum Output {
    Added(User, PrintedLink),
    List(Vec<User>),
    /// With how many sessions.
    Shown(User, usize),
    Sessions(Vec<Session>),
    Done(&'static str, User),
    /// How many sessions.
    Ended(User, usize),
    Erased(User),
    Link(PrintedLink),
}

impl Output {
    pub fn print(&self, json: bool) {
        if json {
            println!("{}", self.json());
            return;
        }
        match self {
            Self::Added(user, link) => {
                eprintln!("gatehouse: {} is added", named(user));
                print_link(link);
            }
            Self::List(users) if users.is_empty() => println!("no account"),
            Self::List(users) => users.iter().for_each(|user| println!("{}", line(user))),
            Self::Shown(user, sessions) => print_account(user, *sessions),
            Self::Sessions(sessions) if sessions.is_empty() => println!("logged in nowhere"),
            Self::Sessions(sessions) => {
                sessions.iter().for_each(|session| println!("{}", session_line(session)));
            }
            Self::Done(what, user) => println!("{} {what}", named(user)),
            Self::Ended(user, ended) => println!("{}: {ended} sessions ended", named(user)),
            Self::Erased(user) => println!("{} is erased", named(user)),
            Self::Link(link) => print_link(link),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Added(user, link) => with(account(user), link_fields(link)),
            Self::List(users) => users.iter().map(account).collect(),
            Self::Shown(user, sessions) => with(account(user), json!({ "sessions": sessions })),
            Self::Sessions(sessions) => sessions.iter().map(session_value).collect(),
            Self::Done(_, user) => account(user),
            Self::Ended(user, ended) => with(account(user), json!({ "ended": ended })),
            Self::Erased(user) => json!({ "id": user.id, "email": user.email, "deleted": true }),
            Self::Link(link) => {
                with(json!({ "id": link.user, "email": link.email }), link_fields(link))
            }
        }
    }
}

/// What `delete` says in place of doing it.
pub fn before_erasure(user: &User, sessions: usize) -> String {
    format!(
        "nothing is deleted yet: with --yes, {} is erased at once and for good, with {sessions} \
         sessions, all mails, links and settings; its events name nobody from then on",
        named(user)
    )
}

fn named(user: &User) -> String {
    format!("account {}, {},", user.id, harmless(&user.email))
}

/// The link alone, so that a script can take it; the rest is for people.
fn print_link(link: &PrintedLink) {
    println!("{}", link.link.expose_secret());
    eprintln!(
        "gatehouse: it works once, until {}, for {}",
        link.until.rfc3339(),
        harmless(&link.email)
    );
}

fn line(user: &User) -> String {
    let mut parts = vec![
        user.id.to_string(),
        harmless(&user.email),
        format!("since {}", user.created_at.rfc3339()),
    ];
    parts.push(if user.confirmed_at.is_some() { "confirmed" } else { "not confirmed" }.to_owned());
    parts.extend(user.disabled_at.map(|at| format!("disabled {}", at.rfc3339())));
    parts.extend(user.delete_at.map(|at| format!("to be erased {}", at.rfc3339())));
    parts.join("  ")
}

fn print_account(user: &User, sessions: usize) {
    let time = |at: Option<Timestamp>| at.map_or("-".to_owned(), Timestamp::rfc3339);
    let text = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), harmless);
    let password =
        if has_password(user) { time(Some(user.password_changed_at)) } else { time(None) };
    for (what, value) in [
        ("number", user.id.to_string()),
        ("address", harmless(&user.email)),
        ("confirmed", time(user.confirmed_at)),
        ("name", text(&user.display_name)),
        ("time zone", text(&user.time_zone)),
        ("since", time(Some(user.created_at))),
        ("password of", password),
        ("sessions", sessions.to_string()),
        ("disabled", time(user.disabled_at)),
        ("erased on", time(user.delete_at)),
    ] {
        println!("{what:<12} {value}");
    }
}

fn session_line(session: &Session) -> String {
    format!(
        "since {}  last used {}  from {}  {}",
        session.created_at.rfc3339(),
        session.last_seen_at.rfc3339(),
        if session.ip.is_empty() { "-" } else { &session.ip },
        // A browser writes what it likes; a terminal obeys control characters.
        harmless(&session.user_agent)
    )
}

fn has_password(user: &User) -> bool {
    user.hashed_password != LOCKED
}

fn account(user: &User) -> Value {
    let time = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
    json!({
        "id": user.id,
        "email": user.email,
        "display_name": user.display_name,
        "time_zone": user.time_zone,
        "created_at": user.created_at.rfc3339(),
        "confirmed_at": time(user.confirmed_at),
        "password_changed_at": time(Some(user.password_changed_at).filter(|_| has_password(user))),
        "disabled_at": time(user.disabled_at),
        "delete_at": time(user.delete_at),
    })
}

fn session_value(session: &Session) -> Value {
    json!({
        "created_at": session.created_at.rfc3339(),
        "last_seen_at": session.last_seen_at.rfc3339(),
        "expires_at": session.expires_at.rfc3339(),
        "remembered": session.remembered,
        "ip": session.ip,
        "user_agent": session.user_agent,
    })
}

fn link_fields(link: &PrintedLink) -> Value {
    json!({ "link": link.link.expose_secret(), "until": link.until.rfc3339() })
}

/// Both objects in one.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}
