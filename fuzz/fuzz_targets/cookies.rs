//! Cookies, through the whole service: the session's cookie as it was set opens it, anything else is nobody's.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatehouse::cli::serve;
use gatehouse::cli::service::Service;
use gatehouse::config::Config;
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use rocket::http::{ContentType, Cookie, Header};
use rocket::local::blocking::Client;
use tempfile::TempDir;

struct App {
    client: Client,
    /// The bytes of a live session's cookie.
    sealed: Vec<u8>,
    _folder: TempDir,
}

const HOST: &str = "127.0.0.1:8000";

thread_local! {
    static APP: App = open();
}

fn open() -> App {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = format!(
        "[global]\ndatabase_url = \"sqlite:{0}/gatehouse.db\"\nmail_transport = \"files\"\n\
         mail_folder = \"{0}/outbox\"\nbcrypt_cost = 4\nlog_level = \"off\"\nworkers = 1\n",
        folder.path().display()
    );
    let config = Config::from_parts(&settings, &[]).expect("good settings");
    let service = Service::open(&config).expect("the service opens");
    let rocket = serve::rocket(&config, &service).expect("templates");
    let client = Client::untracked(rocket).expect("ignites");
    let sealed = session_of_ann(&client);
    App { client, sealed, _folder: folder }
}

fn session_of_ann(client: &Client) -> Vec<u8> {
    let answer = client
        .post("/users")
        .header(Header::new("Host", HOST))
        .header(Header::new("Accept", "text/html"))
        .header(ContentType::Form)
        .body("email=ann@example.com&password=a+quiet+harbour")
        .dispatch();
    let mut set = answer.headers().get("Set-Cookie");
    let value = set.find_map(|set| set.strip_prefix("session_id=")?.split(';').next());
    let value: Vec<u8> = percent_decode_str(value.expect("signed in")).collect();
    BASE64.decode(value).expect("base64")
}

/// What the profile answers to a `Cookie` header, which is taken apart as Rocket's server does it.
fn profile_with(app: &App, header: &str) -> u16 {
    let mut request = app.client.get("/profile").header(Header::new("Host", HOST));
    for pair in header.split(';').map(str::trim) {
        if let Ok(cookie) = Cookie::parse_encoded(pair.to_owned()) {
            request = request.cookie(cookie);
        }
    }
    request.dispatch().status().code
}

fuzz_target!(|input: &[u8]| APP.with(|app| check(app, input)));

fn check(app: &App, input: &[u8]) {
    let Some((way, rest)) = input.split_first() else { return };
    match way % 3 {
        0 => {
            if let Ok(header) = std::str::from_utf8(rest) {
                assert_eq!(profile_with(app, header), 403);
            }
        }
        1 => {
            let header = format!("session_id={}", percent_encode(rest, NON_ALPHANUMERIC));
            assert_eq!(profile_with(app, &header), 403);
        }
        _ => {
            // The true one with these bits flipped, and longer by what is left.
            let mut changed = app.sealed.clone();
            for (byte, bits) in changed.iter_mut().zip(rest) {
                *byte ^= bits;
            }
            changed.extend_from_slice(rest.get(changed.len()..).unwrap_or_default());
            let value = BASE64.encode(&changed);
            let header =
                format!("session_id={}", percent_encode(value.as_bytes(), NON_ALPHANUMERIC));
            let expected = if changed == app.sealed { 200 } else { 403 };
            assert_eq!(profile_with(app, &header), expected);
        }
    }
}
