//! Clients that send a little now and then and never come to an end, and when they were cut off.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Tls, dial, dial_tls, greet, speaking};
use crate::site::LOGIN;

/// A connection that goes on and on.
pub struct Trickle {
    line: Line,
    /// Sent one after the other, and then from the beginning again.
    pieces: Vec<Vec<u8>>,
    sent: usize,
    begun: Instant,
    /// What the server has said.
    heard: Vec<u8>,
    pub cut_off: Option<Duration>,
}

enum Line {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

impl Trickle {
    /// Connects, and sends nothing.
    pub fn silent(from: Ipv4Addr, to: SocketAddr) -> Self {
        Self::new(Line::Plain(dial(from, to).expect("connects")), b"", Vec::new())
    }

    /// Begins a TLS handshake.
    pub fn handshake(from: Ipv4Addr, to: SocketAddr) -> Self {
        // A record that holds a ClientHello of 512 bytes.
        let hello = [22, 3, 1, 2, 4, 1, 0, 2, 0, 3, 3];
        let line = Line::Plain(dial(from, to).expect("connects"));
        Self::new(line, &hello, vec![vec![7]])
    }

    /// A request of HTTP/1.1: first `start`, then a letter at a time.
    pub fn http1(from: Ipv4Addr, to: SocketAddr, start: &str) -> Self {
        let line = Line::Tls(Box::new(dial_tls(from, to, LOGIN).expect("a handshake")));
        Self::new(line, start.as_bytes(), vec![b"a".to_vec()])
    }

    /// HTTP/2, with a head of a kibibyte of which a byte comes at a time.
    pub fn http2_head(from: Ipv4Addr, to: SocketAddr) -> Self {
        let mut start = PREFACE.to_vec();
        start.extend(frame(HEADERS, 0, &[0; 1024]).into_iter().take(9));
        Self::new(http2(from, to), &start, vec![vec![0x40]])
    }

    /// HTTP/2, with a body of which a byte comes at a time.
    pub fn http2_body(from: Ipv4Addr, to: SocketAddr) -> Self {
        let mut start = PREFACE.to_vec();
        start.extend(frame(HEADERS, END_HEADERS, &head_of_a_log_in()));
        Self::new(http2(from, to), &start, vec![frame(DATA, 0, b"a")])
    }

    fn new(mut line: Line, start: &[u8], pieces: Vec<Vec<u8>>) -> Self {
        let sent = match &mut line {
            Line::Plain(stream) => stream.write_all(start),
            Line::Tls(stream) => stream.write_all(start).and_then(|()| stream.flush()),
        };
        sent.expect("the first words are taken");
        let trickle =
            Self { line, pieces, sent: 0, begun: Instant::now(), heard: Vec::new(), cut_off: None };
        let socket = match &trickle.line {
            Line::Plain(stream) => stream,
            Line::Tls(stream) => &stream.sock,
        };
        socket.set_nonblocking(true).expect("a socket");
        trickle
    }

    /// Sends the next piece, unless the server has had enough.
    fn goes_on(&mut self) {
        if self.cut_off.is_some() {
            return;
        }
        let piece = self.pieces.get(self.sent % self.pieces.len().max(1));
        self.sent += 1;
        let piece = piece.cloned().unwrap_or_default();
        let sent = match &mut self.line {
            Line::Plain(stream) => stream.write_all(&piece),
            Line::Tls(stream) => stream.write_all(&piece).and_then(|()| stream.flush()),
        };
        let refused = sent.is_err_and(|cause| cause.kind() != ErrorKind::WouldBlock);
        if refused || self.is_closed() || self.is_answered() {
            self.cut_off = Some(self.begun.elapsed());
        }
    }

    fn is_closed(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            let read = match &mut self.line {
                Line::Plain(stream) => stream.read(&mut bytes),
                Line::Tls(stream) => stream.read(&mut bytes),
            };
            match read {
                Ok(0) => return true,
                Ok(read) => self.heard.extend(&bytes[..read]),
                Err(cause) => return cause.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    /// Whether it was answered before it came to its end: an error, in HTTP/1.1 or in frames.
    fn is_answered(&self) -> bool {
        let mut frames = self.heard.as_slice();
        if frames.starts_with(b"HTTP/1.1 4") {
            return true;
        }
        while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = frames {
            if [HEADERS, RST_STREAM, GOAWAY].contains(kind) {
                return true;
            }
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            frames = rest.get(length..).unwrap_or_default();
        }
        false
    }
}

/// A log-in in HTTP/1.1, up to its body of 1000 bytes.
pub fn log_in_head() -> String {
    format!(
        "POST /sessions HTTP/1.1\r\nHost: {LOGIN}\r\nContent-Length: 1000\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
}

fn http2(from: Ipv4Addr, to: SocketAddr) -> Line {
    let tls =
        greet(dial(from, to).expect("connects"), LOGIN, &speaking("h2")).expect("a handshake");
    assert_eq!(tls.conn.alpn_protocol(), Some(&b"h2"[..]));
    Line::Tls(Box::new(tls))
}

/// The preface of HTTP/2, and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_HEADERS: u8 = 4;

/// A frame of stream 1.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
    [&[0, length[0], length[1], kind, flags, 0, 0, 0, 1], payload].concat()
}

/// `POST /sessions` with a form of 1000 bytes, in HPACK: indexed fields, then literals by the index
/// of their name.
fn head_of_a_log_in() -> Vec<u8> {
    let mut head = vec![0x83, 0x87];
    let fields: [(&[u8], &str); 4] = [
        (&[0x04], "/sessions"),
        (&[0x01], LOGIN),
        (&[0x0f, 0x0d], "1000"),
        (&[0x0f, 0x10], "application/x-www-form-urlencoded"),
    ];
    for (name, value) in fields {
        head.extend(name);
        head.push(u8::try_from(value.len()).expect("short"));
        head.extend(value.as_bytes());
    }
    head
}

/// Lets them all go on, a piece every `pause`, until the last is cut off. The times, sorted.
#[track_caller]
pub fn until_cut_off(trickles: &mut [Trickle], pause: Duration, most: Duration) -> Vec<Duration> {
    let end = Instant::now() + most;
    loop {
        trickles.iter_mut().for_each(Trickle::goes_on);
        let left = trickles.iter().filter(|trickle| trickle.cut_off.is_none()).count();
        if left == 0 {
            break;
        }
        assert!(
            Instant::now() < end,
            "{left} of {} were not cut off within {most:?}",
            trickles.len()
        );
        thread::sleep(pause);
    }
    let mut times: Vec<_> = trickles.iter().filter_map(|trickle| trickle.cut_off).collect();
    times.sort();
    times
}
