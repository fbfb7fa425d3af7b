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
