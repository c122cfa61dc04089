//! Who may come in over HTTP, how many at a time, and for how long.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Connections at a time: those of a few probes and scrapers, and far fewer than a process may have files open.
const CONNECTIONS_MAX: usize = 32;
/// From the first byte of a request to the last of its answer. Whoever is silent gives up its place.
const CONNECTION_MAX: Duration = Duration::from_secs(10);

/// Serves HTTP to whom it may concern: a port that anybody reaches must not cost the process its files, or keep the few
/// out that have something to ask.
pub struct Door {
    listener: TcpListener,
    allows: Box<dyn Fn(IpAddr) -> bool + Send>,
    places: Arc<Semaphore>,
    connection_max: Duration,
}

impl Door {
    /// One for everybody.
    pub fn new(listener: TcpListener) -> Self {
        Door {
            listener,
            allows: Box::new(|_| true),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            connection_max: CONNECTION_MAX,
        }
    }

    /// The same for these addresses only. Others are shut out before they have said a word.
    #[must_use]
    pub fn allowing(self, allows: impl Fn(IpAddr) -> bool + Send + 'static) -> Self {
        Door { allows: Box::new(allows), ..self }
    }

    /// Answers until it is dropped, one request to a connection.
    ///
    /// # Errors
    /// None: what fails is one connection.
    pub async fn serve(self, router: Router) -> io::Result<()> {
        axum::serve(self, router.layer(map_response(close))).await
    }
}

async fn close(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

impl axum::serve::Listener for Door {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("this semaphore is never closed");
        loop {
            let (stream, from) = axum::serve::Listener::accept(&mut self.listener).await;
            if (self.allows)(from.ip()) {
                let ends = Box::pin(tokio::time::sleep(self.connection_max));
                return (Visit { stream, ends, _place: place }, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends in time.
pub struct Visit {
    stream: TcpStream,
    ends: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Visit {
    /// The stream, if there is still time; whoever polls is woken when there is none.
    fn in_time(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Pin<&mut TcpStream>>> {
        match self.ends.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Ready(Ok(Pin::new(&mut self.stream))),
        }
    }
}

impl AsyncRead for Visit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.in_time(context))?.poll_read(context, into)
    }
}

impl AsyncWrite for Visit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.in_time(context))?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.in_time(context))?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.in_time(context))?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A door with two places, whose connections last this long.
    async fn door(connection_max: Duration) -> (Door, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let places = Arc::new(Semaphore::new(2));
        (Door { places, connection_max, ..Door::new(listener) }, address)
    }

    fn open(door: Door) {
        let router = Router::new().fallback(async || "hello");
        tokio::spawn(door.serve(router));
    }

    async fn ask(address: SocketAddr) -> String {
        let mut connection = TcpStream::connect(address).await.expect("it listens");
        let asked = connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut answer = String::new();
        match (asked, connection.read_to_string(&mut answer).await) {
            (Ok(()), Ok(_)) => answer,
            _shut_out => String::new(),
        }
    }

    #[tokio::test]
    async fn connections_that_say_nothing_keep_nobody_out() {
        let (door, address) = door(Duration::from_millis(200)).await;
        open(door);
        let mut silent = Vec::new();
        for _ in 0..6 {
            silent.push(TcpStream::connect(address).await.expect("it listens"));
        }
        let answer = tokio::time::timeout(Duration::from_secs(20), ask(address)).await;
        assert!(answer.expect("it is answered").ends_with("hello"));
        for mut connection in silent {
            let mut word = [0; 1];
            assert!(!matches!(connection.read(&mut word).await, Ok(1)), "it was not answered");
        }
    }

    #[tokio::test]
    async fn whoever_is_not_allowed_is_shut_out_without_a_word() {
        let (shut, address) = door(CONNECTION_MAX).await;
        open(shut.allowing(|from| !from.is_loopback()));
        for _ in 0..5 {
            assert_eq!(ask(address).await, "");
        }
    }
}
