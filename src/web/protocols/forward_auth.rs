//! The door to other applications: a reverse proxy asks, for each request to an application, who is
//! there (nginx `auth_request`, Caddy `forward_auth`, Traefik `ForwardAuth`).

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use rocket::http::{Header, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::response::{self, Responder};
use rocket::{Request, Response, get};
use std::convert::Infallible;
use url::{Position, Url};

use crate::accounts::user::User;
use crate::audit::{self, Event};
use crate::web::client::{is_from_proxy, source};
use crate::web::guards::AtTheDoor;
use crate::web::reply::{json_response, message, wants_page};
use crate::web::{Site, words};

/// nginx takes 4 KiB of headers in all: a page whose address would not fit leads to the front page.
const LONGEST_NEXT: usize = 2048;

/// Where the other applications are.
#[derive(Debug, Clone)]
pub struct ForwardAuth {
    /// Their origins.
    pub hosts: Vec<Url>,
    /// The parent domain that they share with us.
    pub domain: String,
}

impl ForwardAuth {
    /// `text` if it is an address of one of the applications; nothing else is ever redirected to.
    pub fn target(&self, text: &str) -> Option<Url> {
        let graphic = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let url = Url::parse(text).ok().filter(|_| graphic && text.starts_with("https://"))?;
        let nobody = url.username().is_empty() && url.password().is_none();
        (nobody && self.hosts.iter().any(|host| host.origin() == url.origin())).then_some(url)
    }
}

/// What the visitor wanted, as the proxy tells it.
pub enum Wanted {
    /// The proxy told nothing, or it is none of ours.
    Unknown,
    Page(Url),
    /// Nothing of a listed application.
    Stranger,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Wanted {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        let header = |name: &str| request.headers().get_one(name);
        let site = request.rocket().state::<Site>();
        let applications = site.and_then(|site| site.config.forward_auth.as_ref());
        let host = header("X-Forwarded-Host").filter(|_| is_from_proxy(request));
        let (Some(applications), Some(host)) = (applications, host) else {
            return Outcome::Success(Self::Unknown);
        };
        let origin = format!("https://{host}");
        let path = header("X-Forwarded-Uri").filter(|path| path.starts_with('/')).unwrap_or("/");
        // A path that cannot be followed leads to the front page.
        let page = applications.target(&format!("{origin}{path}"));
        let page = page.or_else(|| applications.target(&origin));
        Outcome::Success(page.map_or(Self::Stranger, Self::Page))
    }
}

/// The answer to a proxy.
pub enum Verdict {
    Enter(User),
    /// With the way to the log-in form, for a browser.
    LogIn {
        wanted: Option<Url>,
        redirect: bool,
    },
    Stranger,
}

/// `redirect=false` is for proxies that take nothing but 401 for a no.
#[get("/auth?<redirect>")]
pub fn check(visitor: AtTheDoor, wanted: Wanted, redirect: Option<&str>) -> Verdict {
    let redirect = redirect != Some("false");
    match (visitor.0, wanted) {
        (_, Wanted::Stranger) => Verdict::Stranger,
        (Some(signed_in), _) => Verdict::Enter(signed_in.user),
        (None, Wanted::Page(page)) => Verdict::LogIn { wanted: Some(page), redirect },
        (None, Wanted::Unknown) => Verdict::LogIn { wanted: None, redirect },
    }
}

/// A header holds visible ASCII; what is not, and `%` itself, is percent-encoded.
const NOT_IN_A_HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

impl<'r> Responder<'r, 'static> for Verdict {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        match self {
            Self::Enter(user) => Response::build()
                .header(Header::new("Remote-User", user.id.to_string()))
                .header(Header::new(
                    "Remote-Email",
                    utf8_percent_encode(&user.email, NOT_IN_A_HEADER).to_string(),
                ))
                .header(Header::new(
                    "Remote-Email-Confirmed",
                    user.confirmed_at.is_some().to_string(),
                ))
                .ok(),
            Self::Stranger => {
                audit::record(Event::DoorRefused, None, &source(request));
                json_response(Status::Forbidden, &message(words::NOT_AN_APPLICATION))
            }
            Self::LogIn { wanted, redirect } => log_in(request, wanted.as_ref(), redirect),
        }
    }
}

/// The log-in form's address, with the way back.
fn way_to_log_in(site: &Site, wanted: Option<&Url>) -> Url {
    let mut login = site.config.base_url.clone();
    login.set_path("/login");
    if let Some(wanted) = wanted {
        let encode = |url: &str| utf8_percent_encode(url, NON_ALPHANUMERIC).to_string();
        let mut next = encode(wanted.as_str());
        if next.len() > LONGEST_NEXT {
            next = encode(&wanted[..Position::BeforePath]);
        }
        login.set_query(Some(&format!("next={next}")));
    }
    login
}

fn log_in(
    request: &Request<'_>,
    wanted: Option<&Url>,
    redirect: bool,
) -> response::Result<'static> {
    audit::record(Event::SignInNeeded, None, &source(request));
    let site = request.rocket().state::<Site>().ok_or(Status::InternalServerError)?;
    let login = way_to_log_in(site, wanted);
    let browser = wants_page(request);
    let mut response = json_response(Status::Unauthorized, &message(words::LOG_IN_FIRST))?;
    // No browser asks for a password by itself because of it (RFC 9110, 11.6.1 wants one).
    response.set_header(Header::new("WWW-Authenticate", "Gatehouse"));
    if browser && redirect {
        response.set_status(Status::SeeOther);
        response.set_header(Header::new("Location", login.to_string()));
    } else if browser {
        response.set_header(Header::new("X-Gatehouse-Login", login.to_string()));
    }
    Ok(response)
}
