//! Asks a host's SQL Server Browser for the port of a named instance (the protocol MS-SQLR).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// Where it listens, unless a test says otherwise.
pub(super) const PORT: u16 = 1434;

/// A client asks one host for one instance.
const ASK_FOR_INSTANCE: u8 = 0x04;
const ANSWER: u8 = 0x05;
/// Its kind, and the length of what follows.
const HEADER: usize = 3;
const ANSWER_BYTES_MAX: usize = 1024 + HEADER;
const TRIES_MAX: usize = 3;
const PATIENCE: Duration = Duration::from_secs(1);

/// Why the port of an instance is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrowserError {
    #[error("could not ask the SQL Server Browser")]
    Ask(#[source] std::io::Error),
    #[error("the SQL Server Browser of {host} does not answer on UDP port {port}")]
    Silent { host: String, port: u16 },
    #[error(
        "the SQL Server Browser of {host} says that its instance {instance} does not listen on TCP"
    )]
    NoTcp { host: String, instance: String },
}

/// The port on which an instance listens.
pub(super) async fn port_of(host: &str, instance: &str, port: u16) -> Result<u16, BrowserError> {
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(BrowserError::Ask)?;
    let mut failed = None;
    for address in addresses {
        match ask(address, instance).await {
            Ok(Some(answer)) => {
                return tcp_port(&answer).ok_or_else(|| BrowserError::NoTcp {
                    host: host.to_owned(),
                    instance: instance.to_owned(),
                });
            }
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(BrowserError::Ask(error)),
        None => Err(BrowserError::Silent { host: host.to_owned(), port }),
    }
}

/// What it answers, if it does. A datagram may be lost, so it is asked more than once.
async fn ask(address: SocketAddr, instance: &str) -> std::io::Result<Option<Vec<u8>>> {
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(address).await?;
    let question = [&[ASK_FOR_INSTANCE], instance.as_bytes()].concat();
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    for _ in 0..TRIES_MAX {
        socket.send(&question).await?;
        if let Ok(received) = tokio::time::timeout(PATIENCE, socket.recv(&mut answer)).await {
            let length = received?;
            return Ok(Some(answer[..length].to_vec()));
        }
    }
    Ok(None)
}

/// `ServerName;HOST;InstanceName;X;IsClustered;No;Version;…;tcp;PORT;…;;`, behind a header. Anybody may have sent it.
fn tcp_port(answer: &[u8]) -> Option<u16> {
    let text = answer.get(HEADER..).filter(|_| answer[0] == ANSWER)?;
    let text = String::from_utf8_lossy(text);
    let mut fields = text.split(';');
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if name.eq_ignore_ascii_case("tcp") {
            return value.trim().parse().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str =
        "ServerName;SQL1;InstanceName;REPORTS;IsClustered;No;Version;16.0.1000.6;tcp;49712;;";

    fn answer(text: &str) -> Vec<u8> {
        [&[ANSWER, text.len() as u8, 0], text.as_bytes()].concat()
    }

    #[test]
    fn a_port_is_read_from_an_answer_and_from_nothing_else() {
        assert_eq!(tcp_port(&answer(REAL)), Some(49_712));
        let named_tcp =
            "ServerName;tcp;InstanceName;X;IsClustered;No;Version;1;np;\\\\pipe\\x;tcp;1500;;";
        assert_eq!(tcp_port(&answer(named_tcp)), Some(1500));
        for nothing in [
            "ServerName;SQL1;InstanceName;X;np;\\\\SQL1\\pipe;;",
            "tcp",
            "tcp;x;;",
            "tcp;99999;;",
            "",
        ] {
            assert_eq!(tcp_port(&answer(nothing)), None, "{nothing}");
        }
        for broken in [&[][..], &[ANSWER], &[ANSWER, 1], &[4, 0, 0, b't']] {
            assert_eq!(tcp_port(broken), None, "{broken:?}");
        }
    }

    #[tokio::test]
    async fn a_lost_question_is_asked_again() {
        let browser = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = browser.local_addr().expect("an address").port();
        let answering = async {
            let mut question = [0; 64];
            browser.recv(&mut question).await.expect("the first, which is lost");
            let (length, client) = browser.recv_from(&mut question).await.expect("the second");
            assert_eq!(&question[..length], b"\x04REPORTS");
            browser.send_to(&answer(REAL), client).await.expect("an answer");
        };
        let (port, ()) = tokio::join!(port_of("127.0.0.1", "REPORTS", port), answering);
        assert_eq!(port.expect("an answer"), 49_712);
    }
}
