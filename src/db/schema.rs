//! The tables, as the migrations of both databases make them.

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        email_key -> Text,
        hashed_password -> Text,
        session_id -> Nullable<Text>,
        reset_token -> Nullable<Text>,
        reset_asked_at -> Nullable<BigInt>,
        reset_email -> Nullable<Text>,
        created_at -> BigInt,
        password_changed_at -> BigInt,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> BigInt,
        created_at -> BigInt,
        last_seen_at -> BigInt,
        authenticated_at -> BigInt,
        expires_at -> BigInt,
        remembered -> Bool,
        user_agent -> Text,
        ip -> Text,
    }
}

diesel::table! {
    outbox (id) {
        id -> BigInt,
        message_id -> Text,
        kind -> Text,
        user_id -> Nullable<BigInt>,
        content -> Binary,
        state -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        next_attempt_at -> BigInt,
        attempts -> Integer,
        last_error -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, sessions, outbox);
