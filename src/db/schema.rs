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
        confirmed_at -> Nullable<BigInt>,
        display_name -> Nullable<Text>,
        time_zone -> Nullable<Text>,
        disabled_at -> Nullable<BigInt>,
        delete_at -> Nullable<BigInt>,
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
        door_key -> Nullable<Text>,
        failed_proofs -> Integer,
    }
}

diesel::table! {
    pending_forms (session_id) {
        session_id -> Text,
        content -> Binary,
        expires_at -> BigInt,
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
        subject -> Nullable<Text>,
    }
}

diesel::table! {
    limits (bucket) {
        bucket -> Text,
        tries -> BigInt,
        started_at -> BigInt,
        ends_at -> BigInt,
        last_at -> BigInt,
    }
}

diesel::table! {
    devices (id, user_id) {
        id -> Text,
        user_id -> BigInt,
        last_used_at -> BigInt,
    }
}

diesel::table! {
    tokens (id) {
        id -> Text,
        purpose -> Text,
        user_id -> Nullable<BigInt>,
        email_key -> Text,
        email -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    sign_ups (id) {
        id -> BigInt,
        email -> Text,
        email_key -> Text,
        hashed_password -> Text,
        browser -> Text,
        token -> Nullable<Text>,
        token_expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    events (id) {
        id -> BigInt,
        at -> BigInt,
        event -> Text,
        user_id -> Nullable<BigInt>,
        ip -> Text,
        user_agent -> Text,
        request_id -> Text,
        times -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    users,
    sessions,
    pending_forms,
    outbox,
    limits,
    devices,
    tokens,
    sign_ups,
    events
);
