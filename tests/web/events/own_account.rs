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
