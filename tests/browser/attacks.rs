//! What other sites, and input made to harm, can do in a real browser: nothing.

use serde_json::{Value, json};

use super::browser::Browser;
use super::driver::STRANGE_HOST;
use super::flow::{EMAIL, PASSWORD, ask_for_a_link, leave, open_mailed_link, sign_up};
use super::gatehouse::{Gatehouse, Rows};
use super::neighbour::{Neighbour, page};
use super::patience::soon_is;

#[test]
fn b50_no_frame_shows_the_log_in_page() {
    let gate = Gatehouse::start();
    let frame = format!("<h1>Win a prize</h1><iframe src={}></iframe>", gate.at("/login"));
    let evil = Neighbour::start(move |request| match request.path.split_once('?') {
        Some((_, shown)) => page(&format!("<iframe src={shown}></iframe>")),
        None if request.path == "/own" => page("<p id=email>mine</p>"),
        None => page(&frame),
    });
    let ann = Browser::start();
    let drawn = |what: &str, url: &str| {
        ann.wait("frame", ann.client().enter_frame(0));
        let shown = || ann.script("return document.URL", vec![]).as_str().map(str::to_owned);
        soon_is(what, &Some(url.to_owned()), shown);
        let fields = ann.count("#email");
        ann.wait("page", ann.client().enter_parent_frame());
        fields > 0
    };
    for url in [evil.next_door("/own"), evil.far_away("/own")] {
        ann.opens(&evil.next_door(&format!("/?{url}")));
        assert!(drawn("a frame that may be drawn", &url), "this test would see it: {url}");
    }

    const REFUSED: &str = "chrome-error://chromewebdata/";
    ann.may_complain_of("frame-ancestors");
    ann.may_complain_of("X-Frame-Options");
    for from in [evil.next_door("/"), evil.far_away("/")] {
        ann.opens(&from);
        assert!(!drawn("the frame", REFUSED), "{from}");
    }
    // Nor a page of the same origin.
    ann.may_complain_of("violates the following Content Security Policy directive");
    ann.opens(&gate.at("/signup"));
    let add = "const frame = document.createElement('iframe'); frame.src = '/login'; \
               document.body.append(frame)";
    ann.script(add, vec![]);
    assert!(!drawn("the frame", REFUSED), "same origin");
}

/// A page that sends a form as soon as it is opened: its query is `METHOD path fields…`.
fn forger(gate: &Gatehouse) -> Neighbour {
    let to = gate.at("");
    Neighbour::start(move |request| {
        let query = request.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let fields: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let [(_, target), fields @ ..] = fields.as_slice() else { return page("") };
        let inputs: String = fields
            .iter()
            .map(|(name, value)| format!("<input name=\"{name}\" value=\"{value}\">"))
            .collect();
        let form = format!("<form method=post action=\"{to}{target}\">{inputs}</form>");
        page(&format!("{form}<script>document.forms[0].submit()</script>"))
    })
}

#[test]
fn b46_another_sites_forms_are_refused_and_the_session_lives_on() {
    let gate = Gatehouse::start();
    let evil = forger(&gate);
    let ann = Browser::start();
    sign_up(&gate, &ann);
    let before = gate.rows();
    assert_eq!(before, Rows { users: 1, sessions: 1, mails: 0 });
    let session = ann.cookie("session_id").expect("a session")["value"].clone();
    let forgeries: [(&str, &[(&str, &str)]); 6] = [
        ("/sessions", &[("email", "eve@example.org"), ("password", PASSWORD)]),
        ("/users", &[("email", "eve@example.org"), ("password", PASSWORD)]),
        ("/sessions", &[("_method", "delete")]),
        ("/reset_password", &[("email", EMAIL)]),
        ("/reset_password", &[("_method", "put"), ("new_password", "eve chose this one")]),
        ("/profile", &[("_method", "patch")]),
    ];
    for (target, fields) in forgeries {
        let mut query = url::form_urlencoded::Serializer::for_suffix("/?".to_owned(), 2);
        let query = query.append_pair("to", target).extend_pairs(fields).finish();
        for from in [evil.next_door(&query), evil.far_away(&query)] {
            ann.opens(&from);
            ann.sees("That is not allowed");
            assert_eq!(gate.rows(), before, "{from}");
        }
    }
    ann.opens(&gate.at("/profile"));
    ann.is_at("/profile");
    ann.sees(EMAIL);
    assert_eq!(ann.cookie("session_id").expect("a session")["value"], session);
    // The same form from the site itself does what it says: only its sender was at fault.
    leave(&ann);
    assert_eq!(gate.rows().sessions, 0);
}

/// The cookie goes along with these, and the browser would read what may be read.
#[test]
fn b46_another_sites_scripts_read_and_change_nothing() {
    let gate = Gatehouse::start();
    let evil = Neighbour::start(|_| page("<h1>Evil</h1>"));
    let ann = Browser::start();
    ann.may_complain_of("has been blocked by CORS policy");
    ann.may_complain_of("net::ERR_FAILED");
    ann.may_complain_of("net::ERR_BLOCKED_BY_RESPONSE");
    sign_up(&gate, &ann);
    let before = gate.rows();
    let fetch = "const [url, options, done] = arguments; \
                 fetch(url, {credentials: 'include', ...options}) \
                   .then(answer => answer.text()).then(done, error => done(null))";
    let attempts = [
        ("/profile", json!({})),
        ("/sessions", json!({ "method": "DELETE" })),
        (
            "/sessions",
            json!({ "method": "POST", "mode": "no-cors", "body": "_method=delete",
            "headers": { "Content-Type": "application/x-www-form-urlencoded" } }),
        ),
        (
            "/users",
            json!({ "method": "POST", "body": "{}",
            "headers": { "Content-Type": "application/json" } }),
        ),
    ];
    for home in [evil.next_door("/"), evil.far_away("/")] {
        ann.opens(&home);
        for (path, options) in &attempts {
            let arguments = vec![json!(gate.at(path)), options.clone()];
            let read = ann.wait(path, ann.client().execute_async(fetch, arguments));
            let nothing = read.as_str().unwrap_or_default().is_empty();
            assert!(nothing, "{home} reads {path}: {read}");
            assert_eq!(gate.rows(), before, "{home} {path} {options}");
        }
    }
    ann.opens(&gate.at("/profile"));
    ann.sees(EMAIL);
}

/// Text that would run if a page forgot to escape it.
const PAYLOADS: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "\" onfocus=alert(1) autofocus x=\"",
    "</title><svg onload=alert(1)>",
    "<svg/onload=alert(1)>@example.org",
    "javascript:alert(1)",
    "</p><iframe src=javascript:alert(1)>",
    "{{ 7 * 7 }}<b>bold</b>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<style>body{display:none}</style>",
    "</textarea><a href=//evil.example>x</a>",
];

/// That a page ran none of it is for the browser to say: a dialog fails the next command, and an
/// attempt that the policy stopped fails the test at its end.
#[test]
fn b58_markup_in_any_field_comes_back_as_text() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    let untouched = |what: &str, payload: &str| {
        let strange = "main script, main img, main iframe, main b, main svg:not(.reveal svg), style, [onfocus]";
        assert_eq!(ann.count(strange), 0, "{what}: {payload}");
    };
    for payload in PAYLOADS {
        let encoded: String = url::form_urlencoded::byte_serialize(payload.as_bytes()).collect();
        ann.opens(&gate.at(&format!("/login?next={encoded}")));
        untouched("next", payload);
        assert_eq!(ann.count("[name=next]"), 0, "{payload} is no path of this site");
        ann.types("#email", payload);
        ann.types("#password", payload);
        ann.presses("Log in");
        ann.title_is("Error: Log in – Gatehouse");
        assert_eq!(ann.value("#email"), payload, "shown again as it was typed");
        untouched("log in", payload);

        ann.opens(&gate.at("/signup"));
        ann.types("#email", payload);
        ann.types("#password", "short");
        ann.presses("Sign up");
        ann.title_is("Error: Sign up – Gatehouse");
        assert_eq!(ann.value("#email"), payload);
        untouched("sign up", payload);

        let path = encoded.replace('+', "%20").replace("%2F", "/");
        ann.opens(&gate.at(&format!("/{path}?q={encoded}#{encoded}")));
        ann.sees("Page not found");
        untouched("path", payload);
    }
}

/// An address that is stored, and then on every page and in a mail.
#[test]
fn b58_a_stored_address_full_of_markup_stays_text() {
    const ADDRESS: &str = "a&b'%26%3Cb%3E*{{x}}$`|~@example.org";
    let gate = Gatehouse::start();
    let ann = Browser::start();
    ann.opens(&gate.at("/signup"));
    ann.types("#email", ADDRESS);
    ann.types("#password", PASSWORD);
    ann.presses("Sign up");
    ann.is_at("/profile");
    ann.sees(ADDRESS);
    ann.opens(&gate.at("/"));
    ann.sees(ADDRESS);
    ann.opens(&gate.at("/reset_password"));
    assert_eq!(ann.value("#email"), ADDRESS);
    ann.presses("Mail me a link");
    ann.sees(ADDRESS);
    ann.follows("Open the development mailbox");
    open_mailed_link(&ann);
    ann.is_at("/reset_password/new");
    assert_eq!(ann.value("[name=email]"), ADDRESS);
}

#[test]
fn b43_the_mailed_token_is_in_no_address_history_or_referrer() {
    let visited = Neighbour::start(|_| page("<h1>Imprint</h1>"));
    let link = visited.far_away("/imprint");
    let gate = Gatehouse::with(&format!("footer_links = [\"Imprint {link}\"]"));
    let ann = Browser::start();
    sign_up(&gate, &ann);
    leave(&ann);
    ask_for_a_link(&gate, &ann);
    ann.opens(&gate.at("/dev/mailbox"));
    open_mailed_link(&ann);
    ann.is_at("/reset_password/new");

    let mail = ann.script("return fetch('/dev/mailbox').then(a => a.json())", vec![]);
    let url = mail["mails"][0]["links"][0].as_str().expect("a link").to_owned();
    let (_, token) = url.split_once("/reset_password/").expect("the link of a reset");
    assert!(token.len() > 60, "{token}");
    let traces = "return JSON.stringify([location.href, document.referrer, document.cookie, \
        document.documentElement.outerHTML, performance.getEntries().map(e => e.name), \
        Object.entries(localStorage), Object.entries(sessionStorage)])";
    let traces = ann.script(traces, vec![]);
    assert!(!traces.to_string().contains(token), "{traces}");
    let history = ann.cdp("Page.getNavigationHistory", json!({}));
    let visits = history["entries"].as_array().expect("visits");
    let visits: Vec<_> = visits.iter().map(|visit| (&visit["url"], &visit["title"])).collect();
    let visits = format!("{visits:?}");
    assert!(visits.contains("/reset_password/new") && !visits.contains(token), "{visits}");

    ann.leaves_by("//footer//a[normalize-space()='Imprint']");
    ann.sees("Imprint");
    let requests = visited.seen();
    let seen = requests.iter().find(|request| request.path == "/imprint").expect("the visit");
    assert_eq!(seen.header("referer"), None, "{seen:?}");
    assert_eq!(ann.script("return document.referrer", vec![]), "");

    // Nor does our own log have it, and Back leads to the form.
    assert!(!gate.log().contains(token), "{}", gate.log());
    assert!(gate.requests().contains(&"GET /reset_password/<token> 303".to_owned()));
    ann.goes_back();
    ann.is_at("/reset_password/new");
    ann.sees("Choose a new password");
}

/// The page waits, whole, in Chromium's memory while its owner logs out elsewhere.
#[test]
fn b38_a_page_kept_for_going_back_is_gone_after_a_log_out_in_another_tab() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    sign_up(&gate, &ann);
    let first = ann.wait("tab", ann.client().window());
    // Away from the profile, to a page that says nothing of her; Back leads to her name.
    ann.opens(&gate.at("/health"));
    ann.goes_back();
    ann.sees(EMAIL);
    ann.opens(&gate.at("/health"));
    let second = ann.wait("tab", ann.client().new_window(true)).handle;
    ann.wait("tab", ann.client().switch_to_window(second));
    ann.opens(&gate.at("/"));
    ann.sees(EMAIL);
    leave(&ann);
    ann.wait("tab", ann.client().switch_to_window(first));
    ann.goes_back();
    ann.is_at("/login?next=/profile");
    ann.does_not_see(EMAIL);
    let everywhere = ann.script("return document.documentElement.outerHTML", vec![]);
    assert!(!everywhere.to_string().contains(EMAIL), "{everywhere}");
}

#[test]
fn b42_a_strange_name_for_this_host_gets_no_form() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    ann.may_complain_of("Cross-Origin-Opener-Policy header has been ignored");
    let port = gate.host().rsplit(':').next().expect("a port");
    for path in ["/", "/login", "/nothing"] {
        ann.opens(&format!("http://{STRANGE_HOST}:{port}{path}"));
        ann.sees("Wrong address");
        assert_eq!(ann.count("form"), 0, "{path}");
        assert_eq!(ann.cookie("session_id"), None::<Value>);
    }
}
