//! Who asks: the peer's address, the request's id, and the line each request leaves in the log.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use ipnet::IpNet;
use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::{Data, Request, Response};
use serde_json::{Map, json};

use super::Site;
use super::headers::{self, Wishes};
use crate::accounts::Auth;
use crate::accounts::session::Device;
use crate::audit::{self, Event, Source};
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

/// Where a request came from, for its events.
pub fn source(request: &Request<'_>) -> Source {
    let auth = request.rocket().state::<Auth>().expect("managed from the start");
    Source {
        ip: address(request).map(|ip| ip.to_string()).unwrap_or_default(),
        user_agent: request.headers().get_one("User-Agent").unwrap_or_default().to_owned(),
        request_id: request_id(request).to_owned(),
        journal: auth.journal().clone(),
    }
}

/// What a session keeps of it.
pub fn device(source: &Source) -> Device {
    Device { user_agent: source.user_agent.clone(), ip: source.ip.clone() }
}

/// The client's address: the socket's peer, or where that is one of our proxies the right-most hop
/// of `X-Forwarded-For` that is none (D12). What stands further left, and the header of everybody
/// else, is anybody's to write.
fn address(request: &Request<'_>) -> Option<IpAddr> {
    let site = request.rocket().state::<Site>()?;
    let peer = request.remote()?.ip().to_canonical();
    let hops = request.headers().get("X-Forwarded-For").flat_map(|header| header.split(','));
    Some(behind_proxies(peer, hops, &site.config.trusted_proxies))
}

/// Whether the socket's peer is one of our proxies, whose headers count.
pub fn is_from_proxy(request: &Request<'_>) -> bool {
    let peer = request.remote().map(|peer| peer.ip().to_canonical());
    let site = request.rocket().state::<Site>();
    peer.zip(site).is_some_and(|(peer, site)| is_trusted(peer, &site.config.trusted_proxies))
}

fn is_trusted(ip: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|net| net.contains(&ip))
}

fn behind_proxies<'a>(
    peer: IpAddr,
    hops: impl Iterator<Item = &'a str>,
    proxies: &[IpNet],
) -> IpAddr {
    let mut client = peer;
    let hops: Vec<&str> = hops.collect();
    for hop in hops.iter().rev() {
        if !is_trusted(client, proxies) {
            break;
        }
        // What is no address was not written by a proxy of ours.
        let Some(ip) = parse_hop(hop.trim()) else { break };
        client = ip;
    }
    client
}

/// An address, with a port or a zone or without.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let socket = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bare = hop.trim_matches(['[', ']']).split('%').next().unwrap_or_default();
    bare.parse::<IpAddr>().ok().or_else(socket).map(|ip| ip.to_canonical())
}

/// The client of a request, for events, sessions and limits.
pub struct Client<'r> {
    pub source: Source,
    pub device: Device,
    /// What its answer's headers shall say.
    pub answer: &'r Wishes,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Client<'r> {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        let source = source(request);
        let device = device(&source);
        Outcome::Success(Self { source, device, answer: headers::wishes(request) })
    }
}

/// Statuses of what cannot be read, is too much, too slow or does not fit.
const UNREADABLE: [u16; 8] = [400, 405, 408, 413, 414, 415, 422, 431];

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
        request.local_cache(|| Heard(true));
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        write_down(request, response.status());
    }
}

/// Whether the fairings know of a request.
struct Heard(bool);

/// The line of a request that Rocket could not read, and answers past every fairing.
pub fn write_down_unheard(request: &Request<'_>, status: Status) {
    if !request.local_cache(|| Heard(false)).0 {
        write_down(request, status);
    }
}

fn write_down(request: &Request<'_>, status: Status) {
    let arrival = arrival(request);
    let route = request.route().filter(|route| route.rank < super::gate::LAST_RANK);
    let (status, took) = (status.code, arrival.at.elapsed());
    if let Some(auth) = request.rocket().state::<Auth>() {
        auth.journal().figures().answered(status, took);
    }
    if UNREADABLE.contains(&status) {
        audit::record(Event::InputRefused, None, &source(request));
    }
    let broken = status >= Status::InternalServerError.code;
    let level = if broken { log::Level::Warn } else { log::Level::Info };
    if level > log::max_level() {
        return;
    }
    let mut line = Map::new();
    line.insert("event".to_owned(), json!("request"));
    line.insert("request_id".to_owned(), json!(arrival.id));
    line.insert(
        "ip".to_owned(),
        json!(address(request).map(|ip| ip.to_string()).unwrap_or_default()),
    );
    line.insert("method".to_owned(), json!(request.method().as_str()));
    line.insert("path".to_owned(), json!(route.map(|route| route.uri.to_string())));
    line.insert("status".to_owned(), json!(status));
    line.insert("ms".to_owned(), json!(took.as_millis() as u64));
    crate::log::write(level, line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, header: &str) -> String {
        let proxies: Vec<IpNet> = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]
            .map(|net| net.parse().expect("a net"))
            .into();
        behind_proxies(peer.parse().expect("an address"), header.split(','), &proxies).to_string()
    }

    #[test]
    fn b80_the_right_most_hop_that_is_no_proxy_of_ours_counts() {
        for (peer, header, expected) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "1.2.3.4, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
            ("127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("127.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("fd00::1", "fe80::1%eth0", "fe80::1"),
            ("127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "198.51.100.1, unknown", "127.0.0.1"),
            ("127.0.0.1", "198.51.100.1, 10.0.0.1, _hidden", "127.0.0.1"),
            ("127.0.0.1", "10.0.0.2, 10.0.0.1", "10.0.0.2"),
            ("127.0.0.1", "1.2.3.4,", "127.0.0.1"),
        ] {
            assert_eq!(client(peer, header), expected, "{peer} {header}");
        }
    }
}
