//! A TLS client with an address of its own, and visitors that keep their cookies.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::proxy::certificate;

/// Nothing here takes as long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection from an address of this machine's choosing: all of 127.0.0.0/8 is its own.
pub fn dial(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    dial_with(from, to, |_| Ok(()))
}

fn dial_with(
    from: Ipv4Addr,
    to: SocketAddr,
    prepare: impl FnOnce(&OwnedFd) -> rustix::io::Result<()>,
) -> io::Result<TcpStream> {
    // Programs that the test starts meanwhile must not inherit it.
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    prepare(&socket)?;
    bind(&socket, &SocketAddr::V4(SocketAddrV4::new(from, 0)))?;
    connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A connection on which the handshake is done. The certificate is checked.
pub fn dial_tls(from: Ipv4Addr, to: SocketAddr, host: &str) -> io::Result<Tls> {
    greet(dial(from, to)?, host, &http1())
}

/// The TLS handshake.
pub fn greet(
    mut stream: TcpStream,
    host: &str,
    configuration: &Arc<ClientConfig>,
) -> io::Result<Tls> {
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let mut tls = ClientConnection::new(configuration.clone(), name).map_err(io::Error::other)?;
    tls.complete_io(&mut stream)?;
    Ok(StreamOwned::new(tls, stream))
}

fn http1() -> Arc<ClientConfig> {
    static MADE: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    MADE.get_or_init(|| speaking("http/1.1")).clone()
}

/// A configuration that trusts the tests' certificate alone and offers one protocol.
pub fn speaking(protocol: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate().der())).expect("a certificate");
    let mut configuration =
        ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    configuration.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Arc::new(configuration)
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn read(stream: &mut impl BufRead) -> io::Result<Self> {
        let mut answer = Self::read_head(stream)?;
        if answer.header("transfer-encoding").is_some() {
            answer.body = chunks(stream)?;
        } else if answer.status != 101 {
            let length = answer.header("content-length").and_then(|n| n.parse().ok());
            answer.body.resize(length.unwrap_or(0), 0);
            stream.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    pub fn read_head(stream: &mut impl BufRead) -> io::Result<Self> {
        let first = line(stream)?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no HTTP: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = line(stream)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self { status, headers, body: Vec::new() })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let same = self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}: {}", self.text());
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = line(stream)?;
        let length = usize::from_str_radix(&length, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; length];
        stream.read_exact(&mut chunk)?;
        body.extend(chunk);
        line(stream)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// A form's fields.
pub type Pairs<'a> = &'a [(&'a str, &'a str)];

pub fn urlencoded(form: Pairs<'_>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

pub const PAGES: (&str, &str) = ("Accept", "text/html,*/*;q=0.8");

/// Somebody with an address and cookies: a program, or a browser with the header [`PAGES`].
#[derive(Clone)]
pub struct Visitor {
    proxy: SocketAddr,
    from: Ipv4Addr,
    /// By host, or by nothing for those of all hosts of the domain; then by name.
    pub cookies: BTreeMap<(String, String), String>,
    pub headers: Vec<(String, String)>,
}

impl Visitor {
    pub fn new(proxy: SocketAddr, from: Ipv4Addr) -> Self {
        Self { proxy, from, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// With more headers on every request.
    pub fn with(mut self, headers: Pairs<'_>) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.headers.extend(headers);
        self
    }

    #[track_caller]
    pub fn get(&mut self, host: &str, path: &str) -> Answer {
        self.ask("GET", host, path, "").unwrap_or_else(|cause| panic!("{host}{path}: {cause}"))
    }

    #[track_caller]
    pub fn post(&mut self, host: &str, path: &str, form: Pairs<'_>) -> Answer {
        self.ask("POST", host, path, &urlencoded(form))
            .unwrap_or_else(|cause| panic!("{host}{path}: {cause}"))
    }

    pub fn connects(&self, host: &str) -> io::Result<Tls> {
        dial_tls(self.from, self.proxy, host)
    }

    /// With hardly any room for answers that are not read.
    pub fn connects_deaf(&self, host: &str) -> io::Result<Tls> {
        let small = |socket: &OwnedFd| set_socket_recv_buffer_size(socket, 4096);
        greet(dial_with(self.from, self.proxy, small)?, host, &http1())
    }

    /// On a connection of its own.
    pub fn ask(&mut self, method: &str, host: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut stream = BufReader::new(self.connects(host)?);
        let answer = self.ask_on(&mut stream, method, host, path, body)?;
        Ok(answer)
    }

    /// On a connection that is open already.
    pub fn ask_on(
        &mut self,
        stream: &mut BufReader<impl Read + Write>,
        method: &str,
        host: &str,
        path: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let length = body.len();
        let head = format!("{}Content-Length: {length}\r\n", self.head(method, host, path));
        stream.get_mut().write_all(format!("{head}\r\n{body}").as_bytes())?;
        let read = if method == "HEAD" { Answer::read_head } else { Answer::read };
        let answer = read(stream)?;
        self.keep_cookies(host, &answer);
        Ok(answer)
    }

    /// The lines of a request up to those of its body.
    pub fn head(&self, method: &str, host: &str, path: &str) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let sent = self.cookies.iter().filter(|((of, _), _)| of.is_empty() || of == host);
        let cookies: Vec<_> = sent.map(|((_, name), value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            head.push_str(&format!("Cookie: {}\r\n", cookies.join("; ")));
        }
        if method == "POST" {
            head.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
        }
        head
    }

    fn keep_cookies(&mut self, host: &str, answer: &Answer) {
        for set in answer.all("set-cookie") {
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let attributes = attributes.to_lowercase();
            let of = if attributes.contains("domain=example.org") { "" } else { host };
            let key = (of.to_owned(), name.to_owned());
            if attributes.contains("max-age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
    }
}
