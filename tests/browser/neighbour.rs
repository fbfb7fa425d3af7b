//! Another site on the same machine: a tiny server that a test tells what to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub path: String,
    /// Name, in small letters, and value.
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// Answers until it is dropped.
pub struct Neighbour {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
}

impl Neighbour {
    /// `answer` gives the whole answer, status line included.
    pub fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (seen, ended) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let (noted, over, answer) = (seen.clone(), ended.clone(), Arc::new(answer));
        thread::spawn(move || {
            // A browser opens connections ahead of need: one that says nothing holds up no other.
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (noted, answer) = (noted.clone(), answer.clone());
                thread::spawn(move || {
                    let Some((request, mut stream)) = read(stream) else { return };
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                    let _ = stream.write_all(&answer(&request));
                });
            }
        });
        Self { address, seen, ended }
    }

    /// At another port of Gatehouse's host: another origin of the same site, which is sent cookies.
    pub fn next_door(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// By a name that is another site's.
    pub fn far_away(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn read(stream: TcpStream) -> Option<(Request, TcpStream)> {
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let request = Request { path, headers };
    let length = request.header("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((request, reader.into_inner()))
}

/// A page of HTML.
pub fn page(body: &str) -> Vec<u8> {
    answer(200, &format!("<!DOCTYPE html><html lang=en><title>Neighbour</title>{body}"))
}

/// A whole document, with a status.
pub fn answer(status: u16, html: &str) -> Vec<u8> {
    let kind = "Content-Type: text/html; charset=utf-8\r\nConnection: close";
    let length = html.len();
    format!("HTTP/1.1 {status} So\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{html}").into_bytes()
}

/// Sends `request` as it is, and returns the whole answer.
pub fn exchange(host: &str, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(host).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    stream.write_all(request.as_bytes()).expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    answer
}
