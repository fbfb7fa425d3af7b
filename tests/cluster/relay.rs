//! The network between a node and its database, which a test can cut: sockets stay open, bytes stay away.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Passes bytes on, in both directions, until it is told to keep them.
pub struct Relay {
    pub port: u16,
    silent: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Relay {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (silent, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (is_silent, is_over) = (silent.clone(), over.clone());
        thread::spawn(move || {
            let server = SocketAddr::from(([127, 0, 0, 1], port));
            for client in listener.incoming().flatten() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                // Accepted is accepted, as by a kernel whose program hangs.
                let (silent, over) = (is_silent.clone(), is_over.clone());
                thread::spawn(move || between(client, server, &silent, &over));
            }
        });
        Self { port: address.port(), silent, over }
    }

    /// From now on nothing passes; what is sent meanwhile arrives later.
    pub fn silence(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    pub fn speak(&self) {
        self.silent.store(false, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.speak();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn between(
    client: TcpStream,
    server: SocketAddr,
    silent: &Arc<AtomicBool>,
    over: &Arc<AtomicBool>,
) {
    hold(silent, over);
    let Ok(server) = TcpStream::connect(server) else { return };
    let pair = |from: &TcpStream, to: &TcpStream| {
        let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
        let (silent, over) = (silent.clone(), over.clone());
        thread::spawn(move || pass(from, to, &silent, &over))
    };
    let (there, back) = (pair(&client, &server), pair(&server, &client));
    let _ = (there.join(), back.join());
}

fn pass(mut from: TcpStream, mut to: TcpStream, silent: &AtomicBool, over: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes);
        hold(silent, over);
        match read {
            Ok(count) if count > 0 && to.write_all(&bytes[..count]).is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}

fn hold(silent: &AtomicBool, over: &AtomicBool) {
    while silent.load(Ordering::Relaxed) && !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(5));
    }
}
