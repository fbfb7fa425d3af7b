//! Servers that a test starts at free ports, and their end, which comes with the test's.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, setrlimit,
};

use crate::patience::soon;

/// A server and the processes it starts, which are its process group.
pub struct Server {
    process: Child,
    said: PathBuf,
}

/// A port that nobody listened at a moment ago.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

impl Server {
    /// Starts what `command` makes of free addresses, and waits until it listens at all of them.
    #[track_caller]
    pub fn start<const N: usize>(
        said: &Path,
        mut command: impl FnMut([SocketAddr; N]) -> Command,
    ) -> (Self, [SocketAddr; N]) {
        loop {
            let addresses = [(); N].map(|()| free_address());
            let mut command = command(addresses);
            if let Some(server) = Self::spawn(said, &mut command, &addresses) {
                return (server, addresses);
            }
            // Somebody else took one of the ports between its choice and its use.
            let words = fs::read_to_string(said).expect("UTF-8").to_lowercase();
            assert!(words.contains("in use"), "{command:?} ended: {words}\n{MEND}");
        }
    }

    fn spawn(said: &Path, command: &mut Command, addresses: &[SocketAddr]) -> Option<Self> {
        let file = File::create(said).expect("a file");
        let program = command.get_program().to_owned();
        let process = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|cause| panic!("{program:?} does not start ({cause}). {MEND}"));
        let mut server = Self { process, said: said.to_owned() };
        soon("the server listens or ends", || {
            if server.process.try_wait().expect("a child of ours").is_some() {
                return Some(false);
            }
            let listens = |address: &SocketAddr| TcpStream::connect(address).is_ok();
            addresses.iter().all(listens).then_some(true)
        })
        .then_some(server)
    }

    /// What it and the processes it started hold in memory, in MB.
    pub fn memory(&self) -> f64 {
        let group = self.process.id().to_string();
        let processes = fs::read_dir("/proc").expect("Linux").flatten();
        let kilobytes = processes.filter_map(|process| {
            let read = |name| fs::read_to_string(process.path().join(name)).ok();
            let stat = read("stat")?;
            // The name, in brackets, may hold anything; state, parent and group follow it.
            let (_, after) = stat.rsplit_once(") ")?;
            (after.split(' ').nth(2) == Some(&group)).then_some(())?;
            let status = read("status")?;
            let (_, resident) = status.split_once("VmRSS:")?;
            resident.split_whitespace().next()?.parse::<f64>().ok()
        });
        kilobytes.sum::<f64>() / 1024.0
    }

    /// All it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).expect("UTF-8")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let id = id.expect("a process id");
        // nginx ends its workers itself; whoever waits for clients is not waited for.
        let _ = kill_process(id, Signal::TERM);
        let end = Instant::now() + Duration::from_secs(1);
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = kill_process_group(id, Signal::KILL);
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.said.display(), self.said());
        }
    }
}

/// Lets this process hold thousands of sockets.
pub fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, most).expect("the soft limit goes up to the hard one");
}

pub const MEND: &str =
    "`script/test` fetches what the proxy tests need (Debian: nginx, caddy, openssl)";
