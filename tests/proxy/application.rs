//! Somebody's application, behind the door: it shows what it was sent, and remembers it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names as they were spelled, and values.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }

    fn first(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }
}

/// Answers until it is dropped.
pub struct Application {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
}

impl Application {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (seen, ended) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let (noted, over) = (seen.clone(), ended.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let noted = noted.clone();
                // One that is cut off holds up no other.
                thread::spawn(move || serve(stream, &noted));
            }
        });
        Self { address, seen, ended }
    }

    /// Every request that has come so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, noted: &Mutex<Vec<Request>>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream)?;
    noted.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    if !request.first("Upgrade").is_empty() {
        return echo(stream);
    }
    let (mut stream, end) = (stream.into_inner(), "Connection: close\r\n");
    match request.path.as_str() {
        "/refused" => write!(stream, "HTTP/1.1 401 No\r\n{end}Content-Length: 0\r\n\r\n"),
        "/endless" => {
            write!(stream, "HTTP/1.1 200 OK\r\n{end}\r\n")?;
            loop {
                stream.write_all(&[b'.'; 65_536])?;
            }
        }
        _ => {
            let page = format!(
                "<!DOCTYPE html><html lang=en><title>The application</title>\
                 <p>Hello {}, you are at {}. <a href='https://login.example.org/logout'>Log out</a>",
                request.first("Remote-Email"),
                request.path,
            );
            // A year of its own choosing, which the proxy must not add its own to.
            let own = "Set-Cookie: cart=full; Path=/\r\nStrict-Transport-Security: max-age=1\r\n";
            let kind = "Content-Type: text/html; charset=utf-8\r\n";
            let length = page.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\n{end}{own}{kind}Content-Length: {length}\r\n\r\n{page}"
            )
        }
    }
}

/// A conversation such as a WebSocket's, in plain bytes.
fn echo(mut stream: BufReader<TcpStream>) -> io::Result<()> {
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    stream.get_mut().write_all(head.as_bytes())?;
    let mut bytes = [0; 1024];
    loop {
        let read = stream.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        stream.get_mut().write_all(&bytes[..read])?;
    }
}

fn read(stream: &mut impl BufRead) -> io::Result<Request> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: Vec::new() };
    let length = request.first("Content-Length").parse().unwrap_or(0);
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body)?;
    Ok(request)
}
