//! A small blocking HTTP/1.1 client over `std::net`, and visitors that keep their cookies.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::process::Secrets;

/// Nothing here takes as long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to the server.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Whether the server has said anything that was not read yet.
    pub fn has_answer(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).expect("a socket");
        let said = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).expect("a socket");
        said
    }

    /// The next answer on this connection.
    pub fn read_answer(&mut self) -> io::Result<Answer> {
        let status_line = self.read_line()?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| damaged(&status_line))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| damaged(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        answer.body = if answer.header("transfer-encoding").is_some() {
            self.read_chunks()?
        } else {
            let length = answer.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
            self.read_exactly(length)?
        };
        Ok(answer)
    }

    /// What comes until the server closes the connection.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => Ok(rest),
            // Closed with something of ours unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(rest),
            Err(error) => Err(error),
        }
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let length = usize::from_str_radix(&line, 16).map_err(|_| damaged(&line))?;
            body.extend(self.read_exactly(length)?);
            self.read_line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

fn damaged(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {line:?}"))
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
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
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    #[track_caller]
    pub fn goes_to(&self, path: &str) -> &Self {
        self.is(303);
        assert_eq!(self.header("location"), Some(path));
        self
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.text().contains(text), "{text:?} is not in {}", self.text());
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

/// A form's fields.
pub type Pairs<'a> = &'a [(&'a str, &'a str)];

pub fn urlencoded(form: Pairs<'_>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// A client that keeps cookies: a browser that wants pages, or a program that wants JSON.
pub struct Visitor {
    address: SocketAddr,
    pub cookies: BTreeMap<String, String>,
    pub headers: Vec<(String, String)>,
    /// Kept from one request to the next, if wanted.
    connection: Option<Connection>,
    keeps_alive: bool,
    speaks_json: bool,
    /// Where the values of its cookies are gathered.
    told: Option<Secrets>,
    host: String,
}

impl Visitor {
    pub fn browser(address: SocketAddr) -> Self {
        let visitor = Self::program(address).header("Accept", "text/html,*/*;q=0.8");
        visitor.header("Sec-Fetch-Site", "same-origin")
    }

    pub fn program(address: SocketAddr) -> Self {
        let (cookies, headers) = (BTreeMap::new(), Vec::new());
        let (connection, keeps_alive, speaks_json) = (None, false, false);
        let (told, host) = (None, address.to_string());
        Self { address, cookies, headers, connection, keeps_alive, speaks_json, told, host }
    }

    /// With one more header on every request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One connection for all requests.
    pub fn keeping_alive(mut self) -> Self {
        self.keeps_alive = true;
        self
    }

    /// Adds every cookie it gets to a list.
    pub fn telling(mut self, secrets: &Secrets) -> Self {
        self.told = Some(secrets.clone());
        self
    }

    /// Asks for that host.
    pub fn calling(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Sends fields as a JSON object rather than as a form.
    pub fn in_json(mut self) -> Self {
        self.speaks_json = true;
        self
    }

    /// The same device on another connection: its headers, and its cookies so far.
    pub fn twin(&self) -> Self {
        let (headers, cookies) = (self.headers.clone(), self.cookies.clone());
        let (told, host) = (self.told.clone(), self.host.clone());
        Self { headers, cookies, connection: None, told, host, ..*self }
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    #[track_caller]
    pub fn post(&mut self, path: &str, form: Pairs<'_>) -> Answer {
        self.try_post(path, form).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    #[track_caller]
    pub fn put(&mut self, path: &str, form: Pairs<'_>) -> Answer {
        self.try_put(path, form).unwrap_or_else(|error| panic!("PUT {path}: {error}"))
    }

    #[track_caller]
    pub fn delete(&mut self, path: &str) -> Answer {
        self.try_delete(path).unwrap_or_else(|error| panic!("DELETE {path}: {error}"))
    }

    pub fn try_get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, "")
    }

    pub fn try_post(&mut self, path: &str, form: Pairs<'_>) -> io::Result<Answer> {
        self.ask("POST", path, &self.body(form))
    }

    pub fn try_put(&mut self, path: &str, form: Pairs<'_>) -> io::Result<Answer> {
        self.ask("PUT", path, &self.body(form))
    }

    pub fn try_delete(&mut self, path: &str) -> io::Result<Answer> {
        self.ask("DELETE", path, "")
    }

    fn body(&self, form: Pairs<'_>) -> String {
        if !self.speaks_json {
            return urlencoded(form);
        }
        let text = |value: &str| Value::String(value.to_owned());
        Value::Object(form.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect())
            .to_string()
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address)?,
        };
        connection.send(self.request(method, path, body).as_bytes())?;
        let answer = connection.read_answer()?;
        let open = answer.header("connection").is_none_or(|c| !c.eq_ignore_ascii_case("close"));
        if self.keeps_alive && open {
            self.connection = Some(connection);
        }
        self.keep_cookies(&answer);
        Ok(answer)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.keeps_alive {
            request.push_str("Connection: close\r\n");
        }
        if !self.cookies.is_empty() {
            let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            request.push_str(&format!("Cookie: {}\r\n", pairs.collect::<Vec<_>>().join("; ")));
        }
        if !body.is_empty() {
            let kind = if self.speaks_json { "json" } else { "x-www-form-urlencoded" };
            request.push_str(&format!("Content-Type: application/{kind}\r\n"));
        }
        format!("{request}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for set in answer.all("set-cookie") {
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                if let Some(told) = &self.told {
                    let cookie = (name.to_owned(), value.to_owned());
                    told.lock().expect("no panic in there").push(cookie);
                }
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
