//! A simulator that runs: in this process, on a port of this machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;
use tracing::warn;

use crate::counters::Counters;
use crate::fault::Fault;
use crate::http::router;
use crate::options::Options;
use crate::presentations::PresentationState;
use crate::site::{SessionState, Site};

/// A client that keeps half a request to itself must not hold up the end.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// Why a simulator does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is taken, or not of this machine.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Starts sites.
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Starts a site; it answers when this returns.
    pub async fn start(options: Options) -> Result<RunningSimulator, StartError> {
        let asked = options.listen;
        let failed = |cause| StartError::Listen { address: asked, cause };
        let listener = TcpListener::bind(asked).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let site = Arc::new(Site::new(options));
        let door = Door { listener, site: site.clone() };
        let stop = site.stop.clone();
        let serving =
            axum::serve(door, router(&site)).with_graceful_shutdown(stop.cancelled_owned());
        let server = tokio::spawn(async move {
            if let Err(error) = serving.await {
                warn!(%error, "the server ended");
            }
        });
        let stop_when_dropped = site.stop.clone().drop_guard();
        Ok(RunningSimulator { address, site, server, stop_when_dropped })
    }
}

/// A site that answers. It stops when dropped.
#[derive(Debug)]
pub struct RunningSimulator {
    address: SocketAddr,
    site: Arc<Site>,
    server: JoinHandle<()>,
    stop_when_dropped: DropGuard,
}

impl RunningSimulator {
    /// Where it answers, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was started with.
    pub fn options(&self) -> &Options {
        &self.site.options
    }

    /// The site's clock, in unix seconds.
    pub fn now(&self) -> i64 {
        self.site.now()
    }

    /// Moves the site's clock on. Tokens age with it.
    pub fn advance_clock(&self, seconds: u32) {
        self.site.advance(seconds);
    }

    /// Puts a fault to work. Of two that contradict each other the later wins.
    pub fn add_fault(&self, fault: Fault) {
        self.site.faults.add(fault);
    }

    /// Lifts all faults, those of the options too.
    pub fn clear_faults(&self) {
        self.site.faults.clear();
    }

    /// The faults at work.
    pub fn faults(&self) -> Vec<Fault> {
        self.site.faults.list()
    }

    /// Ends every token, as a restart of an appliance does.
    pub fn end_tokens(&self) {
        self.site.account.end_tokens();
    }

    /// Adds sessions that end at this moment, and gives their ids.
    pub fn add_sessions(&self, count: u32) -> Vec<String> {
        (0..count).map(|_| self.site.add_session()).collect()
    }

    /// Ends a session that runs or closed abnormally. False if there is none with this id.
    pub fn end_session(&self, lsid: &str) -> bool {
        self.site.end_session(lsid)
    }

    /// Every session that has begun.
    pub fn sessions(&self) -> Vec<SessionState> {
        self.site.session_states().collect()
    }

    /// Every presentation.
    pub fn presentations(&self) -> Vec<PresentationState> {
        self.site.presentations().all().collect()
    }

    /// What was asked and answered so far.
    pub fn counters(&self) -> Counters {
        self.site.counters()
    }

    /// Stops: answers under way break off, the port is free when this returns.
    pub async fn stop(self) {
        let Self { mut server, stop_when_dropped, .. } = self;
        drop(stop_when_dropped);
        if tokio::time::timeout(STOP_WITHIN, &mut server).await.is_err() {
            server.abort();
        }
    }
}

/// Lets connections in, unless the site is down.
struct Door {
    listener: TcpListener,
    site: Arc<Site>,
}

impl axum::serve::Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
            if !self.site.faults.is_down() {
                let _only_slower = stream.set_nodelay(true);
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
