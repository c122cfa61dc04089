use messages::{DecodeError, EncodeError};

use crate::BoxError;

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A publish was not confirmed. It may have been stored all the same.
    #[error("could not publish to {subject}")]
    Publish {
        /// The subject.
        subject: String,
        /// What the client said.
        #[source]
        cause: async_nats::jetstream::context::PublishError,
    },
    /// A fact can't be written.
    #[error("could not write a fact")]
    Encode {
        /// Why.
        #[source]
        cause: EncodeError,
    },
    /// A subject could not be read.
    #[error("could not read the last fact of {subject}")]
    Read {
        /// The subject.
        subject: String,
        /// What the client said.
        #[source]
        cause: BoxError,
    },
    /// What stands there is no fact.
    #[error("the last message of {subject} can't be read")]
    Decode {
        /// The subject.
        subject: String,
        /// Why.
        #[source]
        cause: DecodeError,
    },
    /// A fact of another kind than its subject says.
    #[error("{subject} holds a {found:?} fact")]
    Unexpected {
        /// The subject.
        subject: String,
        /// What stands there.
        found: &'static str,
    },
    /// A stream could not be made or read.
    #[error("could not prepare or read the stream {name}")]
    Stream {
        /// Which.
        name: String,
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// The server keeps a stream in another way than asked.
    #[error(
        "the stream {name} is not configured as sluice needs it and the server would not change it: \
         does another program use that name? Choose another `prefix` in [log]"
    )]
    StreamDiffers {
        /// Which.
        name: String,
    },
    /// A route could not be made or read.
    #[error("could not prepare or read the route {name}")]
    Route {
        /// Which.
        name: String,
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// The server keeps a route in another way than asked.
    #[error(
        "the route {name} exists with another filter or start; drop it, or give the destination a new identity"
    )]
    RouteDiffers {
        /// Which.
        name: String,
    },
}
