//! Accounts that go, and what operators do to accounts.

use gatehouse::accounts::operator::{LinkKind, Operator};
use gatehouse::clock::Timestamp;
use rocket::http::Method::Post;
use serde_json::json;

use super::{BOB, HERS, PAIR, Watched, mailed};
use crate::app::TestApp;

pub fn deletions(watched: &Watched) {
    let ann = watched.app.program();
    let ask = || ann.post("/account/deletion", &[]).is(200).clone();
    ann.post("/sessions", &PAIR).is(200);
    watched.leaves(&[("deletion_asked", HERS)], |_| ask());
    let link = mailed(&watched.app, "/keep_account/");
    let back = [("logged_in", HERS), ("deletion_called_off", HERS)];
    watched.leaves(&back, |_| ann.post("/sessions", &PAIR));
    watched.leaves(&[("keep_refused", None)], |app| app.program().get(&link));
    ask();
    let token = mailed(&watched.app, "/keep_account/").replace("/keep_account/", "");
    let keep = json!({ "token": token });
    watched.leaves(&[("deletion_called_off", HERS)], |app| {
        app.program().json(Post, "/keep_account/confirm", &keep).is(200);
    });
    watched.leaves(&[("keep_refused", None)], |app| {
        app.program().json(Post, "/keep_account/confirm", &keep).is(403);
    });
}

/// Who is meant is told by a number, and by none where there is no account any more.
pub fn operators(watched: &Watched) {
    let operator = |app: &TestApp, deed: &dyn Fn(&Operator<'_>)| deed(&Operator(app.auth()));
    let now = Timestamp::now;
    let bobs = Some(2);
    watched.leaves(&[("account_added", bobs)], |app| {
        operator(app, &|operator| drop(operator.add(BOB, None, now()).expect("added")));
    });
    watched.leaves(&[("link_printed", bobs)], |app| {
        operator(app, &|it| drop(it.link(BOB, LinkKind::Reset, now()).expect("printed")));
    });
    watched.leaves(&[("account_disabled", bobs)], |app| {
        operator(app, &|operator| drop(operator.disable(BOB, now()).expect("disabled")));
    });
    watched.leaves(&[("account_enabled", bobs)], |app| {
        operator(app, &|operator| drop(operator.enable(BOB).expect("enabled")));
    });
    watched.leaves(&[("account_unlocked", bobs)], |app| {
        operator(app, &|operator| drop(operator.unlock(BOB).expect("unlocked")));
    });
    watched.leaves(&[("sessions_ended", bobs)], |app| {
        operator(app, &|operator| drop(operator.end_sessions(BOB).expect("ended")));
    });
    watched.leaves(&[("account_deleted", None)], |app| {
        operator(app, &|operator| drop(operator.erase(BOB).expect("erased")));
    });
}
