//! The version before knows of no disabled accounts.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::accounts::password::LOCKED;
use gatehouse::db::schema::users;

use super::{ANN, disable};
use crate::app::TestApp;
use crate::own_database::on_postgresql;

const BOB: &str = "bob@example.com";

#[test]
fn b32_nobody_comes_back_with_a_downgrade() {
    let app = TestApp::new();
    app.signed_up(ANN);
    app.signed_up(BOB);
    disable(&app);
    let side = if on_postgresql() { "postgresql" } else { "sqlite" };
    let root = env!("CARGO_MANIFEST_DIR");
    let down = std::fs::read_to_string(format!("{root}/migrations/{side}/0007_account/down.sql"));
    app.database().batch_execute(&down.expect("there")).expect("back");
    let rows: Vec<(String, String)> = users::table
        .order(users::id)
        .select((users::email, users::hashed_password))
        .load(&mut app.database())
        .expect("users");
    assert_eq!(rows[0], (ANN.to_owned(), LOCKED.to_owned()), "no password opens it");
    assert!(rows[1].0 == BOB && rows[1].1.starts_with("$2b$"), "{}", rows[1].0);
}
