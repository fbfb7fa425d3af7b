//! Who asks: the peer's address, the request's id, and the line each request leaves in the log.

use std::time::Instant;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::{Data, Request, Response};
use serde_json::{Map, json};

use crate::accounts::session::Device;
use crate::audit::Source;
use crate::tokens::generate_uuid;

/// What is known of a request from its first moment.
struct Arrival {
    id: String,
    at: Instant,
}

/// The id of this request: in its answer, in its log lines, and on its error page.
pub fn request_id<'r>(request: &'r Request<'_>) -> &'r str {
    &arrival(request).id
}

fn arrival<'r>(request: &'r Request<'_>) -> &'r Arrival {
    request.local_cache(|| Arrival {
        id: generate_uuid().split('-').take(3).collect(),
        at: Instant::now(),
    })
}

/// The socket's peer (D12): headers that name another address are anybody's to write.
pub fn source(request: &Request<'_>) -> Source {
    let ip = request.remote().map(|peer| peer.ip().to_string()).unwrap_or_default();
    Source { ip, request_id: request_id(request).to_owned() }
}

/// The client of a request, for events and sessions.
pub struct Client {
    pub source: Source,
    pub device: Device,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Client {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        let source = source(request);
        let user_agent = request.headers().get_one("User-Agent").unwrap_or_default().to_owned();
        let device = Device { user_agent, ip: source.ip.clone() };
        Outcome::Success(Self { source, device })
    }
}

/// One line a request. The path is the route's pattern: a path may hold a token, and an unknown
/// path may hold anything.
pub struct RequestLog;

#[rocket::async_trait]
impl Fairing for RequestLog {
    fn info(&self) -> Info {
        Info { name: "request log", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        arrival(request);
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let arrival = arrival(request);
        let route = request.route().filter(|route| route.rank < super::door::LAST_RANK);
        let mut line = Map::new();
        line.insert("event".to_owned(), json!("request"));
        line.insert("request_id".to_owned(), json!(arrival.id));
        line.insert("ip".to_owned(), json!(source(request).ip));
        line.insert("method".to_owned(), json!(request.method().as_str()));
        line.insert("path".to_owned(), json!(route.map(|route| route.uri.to_string())));
        line.insert("status".to_owned(), json!(response.status().code));
        line.insert("ms".to_owned(), json!(arrival.at.elapsed().as_millis() as u64));
        let broken = response.status().code >= Status::InternalServerError.code;
        crate::log::write(if broken { log::Level::Warn } else { log::Level::Info }, line);
    }
}
