//! Traps 2, 3, 15 and 16: who asks, by which method, with what in the form, for which type.

use rocket::form::Form;
use rocket::http::{Accept, ContentType, Header, MediaType, Method, Status};
use rocket::request::Request;
use rocket::{delete, get, patch, post, put, routes};

use super::{bare, client};
use crate::app::{PASSWORD, TestApp, urlencoded};
use crate::input::Encoding;

const ANN: &str = "ann@example.com";

struct ClientIp(String);

#[rocket::async_trait]
impl<'r> rocket::request::FromRequest<'r> for ClientIp {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> rocket::request::Outcome<Self, Self::Error> {
        let ip = request.client_ip().map(|ip| ip.to_string());
        rocket::request::Outcome::Success(Self(ip.unwrap_or_default()))
    }
}

#[get("/ip")]
fn ip(ip: ClientIp) -> String {
    ip.0
}

#[test]
fn trap_2_rocket_believes_x_real_ip_and_we_do_not() {
    let rocket = client(bare().mount("/", routes![ip]));
    let peer = ([127, 0, 0, 1], 4321).into();
    let said = rocket.get("/ip").remote(peer).header(Header::new("X-Real-IP", "203.0.113.9"));
    assert_eq!(said.dispatch().into_string().as_deref(), Some("203.0.113.9"));

    let app = TestApp::new();
    let script = app.program();
    for name in
        ["X-Real-IP", "X-Forwarded-For", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"]
    {
        script.header(name, "203.0.113.9");
    }
    script.header("Forwarded", "for=203.0.113.9");
    let pair = [("email", ANN), ("password", PASSWORD)];
    script.post("/users", &pair).is(200);
    script.post("/sessions", &pair).is(200);
    assert_eq!(session_ips(&app), ["127.0.0.1"]);
}

fn session_ips(app: &TestApp) -> Vec<String> {
    use diesel::prelude::*;
    use gatehouse::db::schema::sessions;

    sessions::table.select(sessions::ip).load(&mut app.database()).expect("sessions")
}

/// Which route took it.
#[get("/m")]
fn got() -> &'static str {
    "get"
}
#[post("/m")]
fn posted() -> &'static str {
    "post"
}
#[put("/m")]
fn put_() -> &'static str {
    "put"
}
#[delete("/m")]
fn deleted() -> &'static str {
    "delete"
}
#[patch("/m")]
fn patched() -> &'static str {
    "patch"
}

#[test]
fn trap_3_rocket_lets_a_form_name_harmless_methods() {
    let rocket = client(bare().mount("/", routes![got, posted, put_, deleted, patched]));
    let taken = |kind: ContentType, body: &str| {
        rocket.post("/m").header(kind).body(body).dispatch().into_string().unwrap_or_default()
    };
    for (body, by) in [
        ("_method=put", "put"),
        ("_method=delete", "delete"),
        ("_method=patch&a=b", "patch"),
        ("_method=PuT", "put"),
        ("_method=get", "get"),
        ("_method=GET&a=b", "get"),
        // Empty fields before it do not count.
        ("&_method=get", "get"),
        ("&&&_method=get", "get"),
        // Only the first field, only what fits into fourteen bytes.
        ("a=b&_method=put", "post"),
        ("&&&&_method=put", "post"),
        ("%5Fmethod=put", "post"),
        ("_method=nothing", "post"),
    ] {
        assert_eq!(taken(ContentType::Form, body), by, "{body}");
    }
    assert_eq!(taken(ContentType::JSON, "_method=put"), "post");
    let parts = String::from_utf8(Encoding::Multipart.body(&[("_method", "put")])).expect("text");
    let kind: ContentType = Encoding::Multipart.content_type().parse().expect("a type");
    assert_eq!(taken(kind, &parts), "post");
}

#[test]
fn trap_3_ours_refuses_a_form_under_get_or_head_and_takes_put_patch_delete() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let before = app.dump();
    let form = Encoding::Form.content_type();
    for body in [
        "_method=get",
        "_method=GET&email=x",
        "_method=head",
        "_method=HeAd",
        "&_method=get",
        "&&_method=head",
        "&&&_method=GET",
    ] {
        for path in ["/", "/profile", "/users", "/sessions", "/health", "/nowhere"] {
            let answer = ann.send_body(Method::Post, path, &form, body.as_bytes());
            assert_eq!(answer.status.code, 400, "{path} {body}");
        }
        ann.send_body(Method::Get, "/profile", &form, body.as_bytes()).is(400);
    }
    for (body, code) in [
        ("_method=trace", 405),
        ("_method=patch", 405),
        ("_method=put", 405),
        // Cut at fourteen bytes: no method, so a POST it stays.
        ("_method=options", 422),
        ("_method=connect", 422),
        ("_method=", 422),
        ("_method=nothing", 422),
    ] {
        let answer = ann.send_body(Method::Post, "/sessions", &form, body.as_bytes());
        assert_eq!(answer.status.code, code, "{body}");
    }
    assert_eq!(app.dump(), before);
    // What the disguise would be for: the door judges the method that counts.
    let cross = [("Content-Type", form.as_str()), ("Sec-Fetch-Site", "cross-site")];
    for body in ["_method=delete", "_method=trace", "_method=put"] {
        ann.send(Method::Post, "/sessions", &cross, body.as_bytes().to_vec()).is(403);
    }
    assert_eq!(app.dump(), before);
    ann.send_body(Method::Post, "/sessions", &form, b"_method=DELETE").goes_to("/");
}

#[post("/form", data = "<form>")]
fn form(form: Form<std::collections::HashMap<String, String>>) -> String {
    form.get("a").cloned().unwrap_or_default()
}

#[test]
fn trap_15_rockets_forms_make_broken_bytes_equal_and_ours_refuse_them() {
    let rocket = client(bare().mount("/", routes![form]));
    let read = |body: &str| {
        rocket.post("/form").header(ContentType::Form).body(body).dispatch().into_string()
    };
    assert_eq!(read("a=%ff"), read("a=%fe"));
    assert_eq!(read("a=%ff").as_deref(), Some("\u{fffd}"));

    let app = TestApp::new();
    let kind = Encoding::Form.content_type();
    for password in ["long+enough+%ff", "long+enough+%fe"] {
        let body = format!("email=ann%40example.com&password={password}");
        for path in ["/users", "/sessions"] {
            let answer = app.program().send_body(Method::Post, path, &kind, body.as_bytes());
            let errors = answer.is(422).json()["errors"].take();
            assert_eq!(errors["password"][0], "This is not valid UTF-8 text.");
        }
    }
    // U+FFFD itself is a character like any other.
    let pair = [("email", ANN), ("password", "long enough \u{fffd}")];
    app.program().post("/users", &pair).is(200);
    app.program().post("/sessions", &pair).is(200);
}

#[get("/typed", format = "html")]
fn html() -> &'static str {
    "html"
}

#[test]
fn trap_16_rocket_answers_404_to_other_methods_and_types() {
    let rocket = client(bare().mount("/", routes![html]));
    assert_eq!(rocket.put("/typed").dispatch().status(), Status::NotFound);
    assert_eq!(rocket.get("/typed").header(Accept::JSON).dispatch().status(), Status::NotFound);
    assert_eq!(rocket.get("/typed").header(Accept::Any).dispatch().status(), Status::Ok);
    // Specificity beats weight: a script that would rather have anything else gets a page.
    let specific: Accept = "*/*, text/html;q=0.1".parse().expect("an Accept");
    assert_eq!(specific.preferred().media_type(), &MediaType::HTML);

    let app = TestApp::new();
    assert_eq!(app.program().put("/login", &[]).is(405).header("allow"), Some("GET, HEAD"));
    let accept = [("Accept", "*/*, text/html;q=0.1")];
    app.program().send(Method::Get, "/login", &accept, Vec::new()).is(406).json();
    app.program().send(Method::Get, "/login", &[("Accept", "*/*")], Vec::new()).is(406).json();
    for route in app.client.rocket().routes() {
        assert_eq!(route.format, None, "{route}");
    }
}

#[test]
fn trap_16_a_posted_form_is_no_json_and_urlencoding_is_shared() {
    // The same pair, as the door and the form reader see it.
    let app = TestApp::new();
    let body = urlencoded(&[("email", ANN), ("password", PASSWORD)]);
    let kind = Encoding::Json.content_type();
    app.program().send_body(Method::Post, "/users", &kind, body.as_bytes()).is(400);
}
