//! How a connection comes about: the instance's port, the way through a gateway, the login.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tiberius::error::Error as Driver;
use tiberius::{AuthMethod, Config};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use super::browser;
use super::connection_string::{Endpoint, Target};
use super::fault::Fault;

/// A gateway sends a client on to the server that it means, and that one to nobody.
const REDIRECTS_MAX: usize = 2;

/// What every connection is told first. An error undoes its transaction, whatever it was; of a deadlock with somebody's
/// query we are the victim: we try again, and people don't; a column that is changed takes nulls unless it says otherwise.
const SETTINGS: &str = "SET XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET NOCOUNT ON; SET ANSI_NULLS ON; SET ANSI_WARNINGS ON; \
    SET ANSI_PADDING ON; SET QUOTED_IDENTIFIER ON; SET CONCAT_NULL_YIELDS_NULL ON; SET ARITHABORT ON; \
    SET ANSI_NULL_DFLT_ON ON;";

pub(super) type Client = tiberius::Client<Compat<TcpStream>>;

/// A new connection to the server that is meant, with our settings.
pub(super) async fn connect(target: &Target) -> Result<Client, Fault> {
    let mut config = target.config.clone();
    if let Some(path) = &target.token_file {
        let token = tokio::fs::read_to_string(path)
            .await
            .map_err(|cause| Fault::Token { path: path.display().to_string(), cause })?;
        config.authentication(AuthMethod::aad_token(token.trim()));
    }
    let mut host = target.address.host.clone();
    let mut port = match &target.address.endpoint {
        Endpoint::Port(port) => *port,
        Endpoint::Instance(instance) => {
            browser::port_of(&host, instance, browser::PORT).await.map_err(Fault::Instance)?
        }
    };
    let mut redirects = 0;
    let mut client = loop {
        match log_in(&config, target, &host, port).await {
            Err(Fault::Connecting(Driver::Routing { host: to, port: at }))
                if redirects < REDIRECTS_MAX =>
            {
                redirects += 1;
                (host, port) = (to, at);
                config.host(&host);
                config.port(port);
            }
            connected => break connected?,
        }
    };
    client.simple_query(SETTINGS).await?.into_results().await?;
    Ok(client)
}

async fn log_in(config: &Config, target: &Target, host: &str, port: u16) -> Result<Client, Fault> {
    let stream = reach(host, port, target.all_addresses, target.connect_timeout)
        .await
        .map_err(Fault::Unreachable)?;
    stream.set_nodelay(true).map_err(Fault::Unreachable)?;
    Client::connect(config.clone(), stream.compat_write()).await.map_err(Fault::Connecting)
}

/// A TCP connection: to the first address that answers of all at once, or one after the other.
async fn reach(host: &str, port: u16, at_once: bool, patience: Duration) -> io::Result<TcpStream> {
    let connecting = async {
        match at_once {
            false => TcpStream::connect((host, port)).await,
            true => first_of(tokio::net::lookup_host((host, port)).await?).await,
        }
    };
    tokio::time::timeout(patience, connecting).await.map_err(|_| io::ErrorKind::TimedOut)?
}

async fn first_of(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts: JoinSet<_> = addresses.map(TcpStream::connect).collect();
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    while let Some(attempt) = attempts.join_next().await {
        match attempt.map_err(io::Error::other)? {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
