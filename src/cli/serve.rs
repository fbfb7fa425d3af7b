//! `gatehouse serve`: the service itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;
use rocket::figment::Figment;
use rocket::{Build, Rocket};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use super::service::{Service, StartError};
use crate::accounts::Auth;
use crate::clock::Timestamp;
use crate::config::{Config, Profile};
use crate::db::DbError;
use crate::mail::{Route, Worker};
use crate::web::in_flight::InFlight;

/// Requests in flight get this long after the first signal: a password that waits its turn to be
/// hashed must not be cut off.
const GRACE: Duration = Duration::from_secs(15);
const MERCY_SECONDS: u32 = 2;
/// Started at the same time as the database server, the service waits this long for it.
const START: Duration = Duration::from_secs(30);
/// An answer that is written needs a moment to leave.
const LAST_BYTES: Duration = Duration::from_millis(50);
/// How long the end waits for a mail that is being sent: cut off, it might arrive twice.
const LAST_MAIL: Duration = Duration::from_secs(60);

pub fn run(config: Config) -> Result<(), StartError> {
    crate::log::install(config.log);
    keep_memory_private();
    config.db.wait_for_server(START, |line| eprintln!("gatehouse: {line}"));
    let service = Service::open(&config)?;
    // Rocket's own start-up reads its own settings; these were checked, so it is done here.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("rocket-worker-thread")
        .worker_threads(config.workers)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve(config, service));
    // Reads of a slow database or a last look at the outbox must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// No core dump, no debugger of the same user: the memory holds keys and passwords (ASVS 13.3).
fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(cause) = setrlimit(Resource::Core, none) {
        log::warn!("a crash may leave a core dump: {cause}");
    }
    #[cfg(target_os = "linux")]
    if let Err(cause) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        log::warn!("other programs of this user may read the memory: {cause}");
    }
}

async fn serve(config: Config, service: Service) -> Result<(), StartError> {
    let in_flight = InFlight::default();
    let rocket = rocket(&config, &service)?
        .attach(announce(&config, service.notes.clone()))
        .attach(in_flight.clone());
    let signals = Signals::listen()?;
    let metrics = figures(&config, &service).await?;
    let (bell, journal) = (service.bell.clone(), service.auth.journal().clone());
    let (liftoff, worker) = background(service, config.purge_every);
    let launched = launch(rocket.attach(liftoff), signals, &in_flight, &config).await;
    // The mail in the worker's hands leaves; one that takes too long is tried again later.
    let worker_ends = spawn_blocking(move || {
        bell.stop();
        journal.close();
        let thread = worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map(JoinHandle::join)
    });
    let _ = tokio::time::timeout(LAST_MAIL, worker_ends).await;
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    launched
}

/// Serves the figures, where a port is set; one that is taken stops the start.
async fn figures(
    config: &Config,
    service: &Service,
) -> Result<Option<tokio::task::JoinHandle<()>>, StartError> {
    let Some(port) = config.metrics_port else { return Ok(None) };
    let figment = Figment::from(rocket::Config::release_default())
        .merge(("address", "127.0.0.1"))
        .merge(("port", port))
        .merge(("workers", config.workers))
        .merge(("secret_key", service.secret_key.expose_secret()))
        .merge(("shutdown", no_signals()))
        .merge(("ident", false))
        .merge(("cli_colors", false))
        .merge(("log_level", "off"));
    let (up, listens) = tokio::sync::oneshot::channel();
    let up = Mutex::new(Some(up));
    let rocket = crate::web::protocols::metrics::rocket(figment, service.auth.clone());
    let rocket = rocket.attach(AdHoc::on_liftoff("figures", move |_| {
        Box::pin(async move {
            if let Some(up) = up.lock().unwrap_or_else(PoisonError::into_inner).take() {
                let _ = up.send(());
            }
        })
    }));
    let task = tokio::spawn(async move {
        if let Err(error) = rocket.launch().await {
            // Rocket's error panics when nobody looks into it.
            log::debug!("the figures' server ended: {}", error.kind());
        }
    });
    match listens.await {
        Ok(()) => Ok(Some(task)),
        Err(_) => Err(StartError::Other(format!(
            "cannot listen on 127.0.0.1:{port}; is it in use? (metrics_port)"
        ))),
    }
}

type WorkerThread = Arc<Mutex<Option<JoinHandle<()>>>>;

/// The work beside requests begins once the service listens: a second process that finds the port
/// taken sends no mail. The worker's thread is for whoever ends it.
fn background(service: Service, purge_every: Duration) -> (AdHoc, WorkerThread) {
    let thread = Arc::new(Mutex::new(None));
    let started = thread.clone();
    let Service { auth, worker, ear, .. } = service;
    // Rocket may share the closure between threads; the ear is for one.
    let ear = Mutex::new(ear);
    let liftoff = AdHoc::on_liftoff("background work", move |rocket| {
        Box::pin(async move {
            let ear = ear.into_inner().unwrap_or_else(PoisonError::into_inner);
            match worker.clone().start(ear) {
                Ok(thread) => {
                    *started.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
                }
                Err(cause) => {
                    log::error!("no mail leaves: cannot start a thread: {cause}");
                    rocket.shutdown().notify();
                }
            }
            tokio::spawn(purge(auth, worker, purge_every));
        })
    });
    (liftoff, thread)
}

/// Serves until a signal has come and every answer is written. Rocket's own end would wait the
/// whole grace for any connection that is open, and a proxy always keeps some; at times it would
/// not wait at all, when its listener hears of the end before the rest of it.
async fn launch(
    rocket: Rocket<Build>,
    signals: Signals,
    in_flight: &InFlight,
    config: &Config,
) -> Result<(), StartError> {
    let failed = |error: rocket::Error| StartError::Other(in_words(&error, config));
    let rocket = rocket.ignite().await.map_err(failed)?;
    let asked_to_end = rocket.shutdown();
    tokio::spawn(signals.obey(asked_to_end.clone()));
    tokio::select! {
        launched = rocket.launch() => match launched {
            Err(error) if !matches!(error.kind(), ErrorKind::Shutdown(..)) => {
                return Err(failed(error));
            }
            _ => {}
        },
        () = asked_to_end => {}
    }
    let answered = async {
        while !in_flight.is_none() {
            tokio::time::sleep(LAST_BYTES).await;
        }
    };
    let in_time = tokio::time::timeout(GRACE, answered).await;
    tokio::time::sleep(LAST_BYTES).await;
    let cut_off = "some requests did not end in time and were cut off";
    in_time.map_err(|_| StartError::Other(cut_off.to_owned()))
}

/// The web over `service`, with Rocket's settings made of ours.
pub fn rocket(config: &Config, service: &Service) -> Result<Rocket<Build>, StartError> {
    let (auth, transport) = (service.auth.clone(), service.transport.clone());
    let figment = figment(config, service);
    Ok(crate::web::rocket(figment, config.web.clone(), auth, transport)?)
}

/// See [`Signals`].
fn no_signals() -> rocket::config::Shutdown {
    rocket::config::Shutdown {
        ctrlc: false,
        signals: Default::default(),
        grace: GRACE.as_secs() as u32,
        mercy: MERCY_SECONDS,
        ..rocket::config::Shutdown::default()
    }
}

fn figment(config: &Config, service: &Service) -> Figment {
    Figment::from(rocket::Config::release_default())
        .merge(("address", config.address))
        .merge(("port", config.port))
        .merge(("workers", config.workers))
        .merge(("secret_key", service.secret_key.expose_secret()))
        .merge(("shutdown", no_signals()))
        // No version for strangers, no header that names its own sender's address (D12).
        .merge(("ident", false))
        .merge(("ip_header", false))
        .merge(("cli_colors", false))
        .merge(("log_level", "off"))
        .select(config.profile.name())
}

/// For whoever started it, in plain words, once it listens.
fn announce(config: &Config, notes: Vec<String>) -> AdHoc {
    let mut lines = notes;
    if let Route::Files(folder) = &config.mail.route {
        lines.push(format!(
            "no mail server is set (smtp_url): mails are files in {}, links included",
            folder.display()
        ));
    }
    lines.extend(config.dangers());
    if config.profile == Profile::Classroom {
        lines.push(
            "CLASSROOM PROFILE: reset tokens are handed to whoever asks. Never expose it."
                .to_owned(),
        );
    }
    let address = config.base_url.to_string();
    AdHoc::on_liftoff("announce", move |_| {
        Box::pin(async move {
            for line in lines {
                log::warn!("{line}");
                eprintln!("gatehouse: {line}");
            }
            eprintln!("Gatehouse is at {}", address.trim_end_matches('/'));
        })
    })
}

/// The two signals that ask for the end. Rocket listens for its own only after it has said that it
/// is there, and one that came in between would be lost: so it listens for none.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// An orderly end at the first signal, the end itself at the second.
    async fn obey(mut self, shutdown: rocket::Shutdown) {
        self.next().await;
        shutdown.notify();
        self.next().await;
        eprintln!("gatehouse: ended at once, by the second signal");
        std::process::exit(1);
    }
}

/// Clears away what has expired, now and then.
async fn purge(auth: Auth, worker: Arc<Worker>, every: Duration) {
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let runtime = Handle::current();
    loop {
        clock.tick().await;
        let (auth, worker, runtime) = (auth.clone(), worker.clone(), runtime.clone());
        let purged = spawn_blocking(move || {
            let once = || runtime.block_on(purge_once(&auth, worker, Timestamp::now()));
            // One node at a time: two would be in each other's way.
            auth.db.if_alone("purge", once)
        });
        match purged.await {
            Ok(Ok(Some(()))) => {}
            Ok(Ok(None)) => log::debug!("another node clears away what has expired"),
            Ok(Err(error)) => log::warn!("what has expired stays for now: {error}"),
            // A panic was logged where it happened.
            Err(_) => {}
        }
    }
}

async fn purge_once(auth: &Auth, worker: Arc<Worker>, now: Timestamp) {
    if let Err(error) = auth.purge_sessions(now).await {
        log::warn!("expired sessions stay for now: {error}");
    }
    if let Err(error) = purge_accounts(auth, now).await {
        log::warn!("what has expired stays for now: {error}");
    }
    let mails = spawn_blocking(move || worker.purge(now).and_then(|_| worker.db.end_traces()));
    if let Ok(Err(error)) = mails.await {
        log::warn!("dead mails stay for now: {error}");
    }
}

async fn purge_accounts(auth: &Auth, now: Timestamp) -> Result<(), DbError> {
    auth.purge_forms(now).await?;
    auth.purge_limits(now).await?;
    auth.purge_devices(now).await?;
    auth.purge_tokens(now).await?;
    auth.purge_sign_ups(now).await?;
    auth.purge_events(now).await?;
    auth.erase_due(now).await?;
    Ok(())
}

/// Rocket's error panics when nobody looks into it.
fn in_words(error: &rocket::Error, config: &Config) -> String {
    let place = format!("{}:{}", config.address, config.port);
    match error.kind() {
        ErrorKind::Bind(cause) | ErrorKind::Io(cause) => {
            format!("cannot listen on {place}: {cause}; is it running already? (address, port)")
        }
        other => format!("cannot start on {place}: {other}"),
    }
}
