//! What owners do at their own accounts.

use super::*;

pub fn at_work() -> BTreeSet<String> {
    let watched = Watched::with_ann("");
    let ann = watched.app.browser();
    ann.post("/sessions", &PAIR).goes_to("/profile");
    let right = [("password", PASSWORD)];
    let wrong = [("password", "not that one")];
    let failed = [("password_confirm_failed", HERS), ("input_refused", None)];
    watched.leaves(&[("password_confirmed", HERS)], |_| ann.post("/sudo", &right));
    watched.leaves(&failed, |_| ann.post("/sudo", &wrong));
    watched.leaves(&[("session_ended", HERS)], |_| ann.delete("/account/sessions"));
    let change = |current, new| {
        ann.put("/account/password", &[("current_password", current), ("new_password", new)])
    };
    watched.leaves(&failed, |_| change("not that one", "another harbour"));
    watched.leaves(&[("password_changed", HERS)], |_| change(PASSWORD, "another harbour"));
    // A new session has its own five tries.
    for _ in 0..4 {
        ann.post("/sudo", &wrong).is(422);
    }
    let last = [("password_confirm_failed", HERS), ("session_guessed_at", HERS)];
    watched.leaves(&last, |_| ann.post("/sudo", &wrong).goes_to("/login").clone());
    watched.seen.into_inner()
}

/// Another address, and what undoes it.
pub fn addresses() -> BTreeSet<String> {
    let watched = Watched::with("");
    let ann = watched.app.signed_up(ANN);
    watched.leaves(&[("email_change_asked", HERS)], |_| {
        ann.post("/account/email", &[("email", BOB)]);
    });
    let link = mailed(&watched.app, "/email_change/");
    watched.leaves(&[], |_| ann.get(&link));
    watched.leaves(&[("email_changed", HERS)], |_| ann.post("/email_change/confirm", &[]));
    watched.leaves(&[("email_change_refused", None)], |app| app.program().get(&link));
    let link = mailed(&watched.app, "/secure_account/");
    watched.leaves(&[], |_| ann.get(&link));
    watched.leaves(&[("account_secured", HERS)], |_| ann.post("/secure_account/confirm", &[]));
    watched.leaves(&[("secure_refused", None)], |app| app.program().get(&link));
    watched.seen.into_inner()
}

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

pub fn devices(watched: &Watched) {
    let (laptop, phone) = (watched.app.program(), watched.app.program());
    for visitor in [&phone, &laptop] {
        visitor.post("/sessions", &PAIR).is(200);
    }
    let sessions = laptop.get("/account/sessions").json();
    let sessions = sessions["sessions"].as_array().expect("a list");
    let other = sessions.iter().find(|session| session["current"] == false).expect("the phone's");
    let path = format!("/account/sessions/{}", other["id"].as_str().expect("text"));
    watched.leaves(&[("session_ended", HERS)], |_| {
        laptop.delete(&path).is(200);
    });
    watched.leaves(&[("not_yours_refused", HERS)], |_| {
        laptop.delete(&path).is(404);
    });
}
