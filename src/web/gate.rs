//! The gate every request passes: is it for this host, from this site, by an honest method?

use rocket::http::{Method, Status};
use rocket::route::{Handler, Outcome, Route};
use rocket::{Data, Request, async_trait};

use super::Site;
use super::client::source;
use crate::audit::{self, Event};

/// Routes of this rank catch what no other route took.
pub const LAST_RANK: isize = 100;
/// Liveness probes come by whatever name the machine has.
const ANY_HOST: [&str; 2] = ["/health", "/ready"];

/// Puts the gate in front of each route.
pub fn behind(routes: Vec<Route>) -> Vec<Route> {
    routes
        .into_iter()
        .map(|mut route| {
            route.handler = Box::new(Gate(route.handler));
            route
        })
        .collect()
}

#[derive(Clone)]
struct Gate(Box<dyn Handler>);

#[async_trait]
impl Handler for Gate {
    async fn handle<'r>(&self, request: &'r Request<'_>, mut data: Data<'r>) -> Outcome<'r> {
        let Some(site) = request.rocket().state::<Site>() else {
            return Outcome::Error(Status::InternalServerError);
        };
        if let Err(status) = check_host(request, site) {
            audit::record(Event::HostRefused, None, &source(request));
            return Outcome::Error(status);
        }
        if is_disguised(request, &mut data).await {
            return Outcome::Error(Status::BadRequest);
        }
        if !may_change(request, site) {
            audit::record(Event::CrossSiteRefused, None, &source(request));
            return Outcome::Error(Status::Forbidden);
        }
        self.0.handle(request, data).await
    }
}

/// A foreign or doubled `Host` poisons links and caches (B-42).
fn check_host(request: &Request<'_>, site: &Site) -> Result<(), Status> {
    let mut hosts = request.headers().get("Host");
    let host = hosts.next().ok_or(Status::BadRequest)?;
    if hosts.next().is_some() {
        return Err(Status::BadRequest);
    }
    let path = request.uri().path();
    // The page that says "wrong address" would stand there naked without its stylesheet.
    let open = ANY_HOST.contains(&path.as_str()) || path.starts_with("/static/");
    if open || site.is_own_host(host) { Ok(()) } else { Err(Status::MisdirectedRequest) }
}

/// Rocket lets a POST form name any method, in its first field that is not empty; one that names
/// GET or HEAD would pass as harmless. No form is meant to come by those two.
async fn is_disguised(request: &Request<'_>, data: &mut Data<'_>) -> bool {
    let harmless = matches!(request.method(), Method::Get | Method::Head);
    let form = request.content_type().is_some_and(|kind| kind.is_form());
    harmless && form && !data.peek(1).await.is_empty()
}

/// Refuses what another site made the browser send (D5). A browser says where a request comes
/// from in `Sec-Fetch-Site`, an older one in `Origin`; a request with neither comes from a
/// program, which carries nobody's cookie against their will.
fn may_change(request: &Request<'_>, site: &Site) -> bool {
    if matches!(request.method(), Method::Get | Method::Head | Method::Options) {
        return true;
    }
    let mut origins = request.headers().get("Sec-Fetch-Site").peekable();
    if origins.peek().is_some() {
        return origins.all(|from| from == "same-origin" || from == "none");
    }
    request.headers().get("Origin").all(|origin| site.is_own_origin_text(origin))
}

const METHODS: [Method; 8] = [
    Method::Get,
    Method::Put,
    Method::Post,
    Method::Delete,
    Method::Options,
    Method::Trace,
    Method::Connect,
    Method::Patch,
];

/// Routes for every other path and method: Rocket would answer 404 to a known path under another
/// method, and print its address to the log.
pub fn everything_else() -> Vec<Route> {
    METHODS.map(|method| Route::ranked(LAST_RANK, method, "/<path..>", Nothing)).into()
}

#[derive(Clone)]
struct Nothing;

#[async_trait]
impl Handler for Nothing {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> Outcome<'r> {
        let known = !other_methods(request).is_empty();
        Outcome::Error(if known { Status::MethodNotAllowed } else { Status::NotFound })
    }
}

/// The methods, less the one asked for, that this path takes.
pub fn other_methods(request: &Request<'_>) -> Vec<&'static str> {
    let path: Vec<&str> = request.uri().path().raw_segments().map(|s| s.as_str()).collect();
    let mut allowed: Vec<&str> = request
        .rocket()
        .routes()
        .filter(|route| route.rank < LAST_RANK && route.method != request.method())
        .filter(|route| takes(route, &path))
        .map(|route| route.method.as_str())
        .collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.sort_unstable();
    allowed.dedup();
    allowed
}

fn takes(route: &Route, path: &[&str]) -> bool {
    let pattern: Vec<&str> = route.uri.path().split('/').filter(|s| !s.is_empty()).collect();
    let path: Vec<&&str> = path.iter().filter(|s| !s.is_empty()).collect();
    pattern.len() == path.len()
        && pattern.iter().zip(path).all(|(part, given)| part.starts_with('<') || part == given)
}
