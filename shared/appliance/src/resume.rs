use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};

use crate::part::{Part, Rest};
use crate::request::{Ask, Body, LIMITS_MADE, Opened};
use crate::{ApplianceError, Client, Recourse};

/// How often in a row the rest may be asked for without much of it coming: in all, for about a minute.
const RESUMES_IN_A_ROW_MAX: u32 = 7;
/// What counts as much: an appliance that breaks off after less would be asked without end, for a large file.
const MUCH_BYTES: u64 = 1 << 20;
/// The wait before the second of them; it doubles with each. The first is not waited for.
const WAIT_FIRST: Duration = Duration::from_secs(1);

type Pieces = BoxStream<'static, Result<Bytes, ApplianceError>>;

/// A download that asks for its rest where it breaks off.
struct Resumable {
    client: Client,
    form: Vec<(&'static str, String)>,
    asked: String,
    permission: &'static str,
    /// The first answer's.
    part: Part,
    /// How many bytes have come.
    at: u64,
    rest: Pieces,
    /// How often in a row the rest was asked for with little to show for it.
    vain: u32,
    /// How many bytes had come when it was last asked for.
    asked_at: u64,
}

/// The same answer, whose body is continued by further requests where it breaks off; unchanged where the appliance
/// gives nothing by which a continuation could be known to be one.
pub(crate) fn resumable(
    client: &Client,
    form: Vec<(&'static str, String)>,
    mut opened: Opened,
) -> Opened {
    if opened.part.version.is_none() {
        return opened;
    }
    let state = Resumable {
        client: client.clone(),
        form,
        asked: opened.asked.clone(),
        permission: opened.permission,
        part: opened.part.clone(),
        at: opened.first.len() as u64,
        rest: std::mem::replace(&mut opened.rest, stream::empty().boxed()),
        vain: 0,
        asked_at: 0,
    };
    let rest = stream::try_unfold(state, async |mut state| {
        Ok(state.next().await?.map(|piece| (piece, state)))
    });
    opened.rest = rest.boxed();
    opened
}

impl Resumable {
    async fn next(&mut self) -> Result<Option<Bytes>, ApplianceError> {
        loop {
            let broken = match self.rest.try_next().await {
                Ok(Some(piece)) => {
                    self.at += piece.len() as u64;
                    if self.at - self.asked_at >= MUCH_BYTES {
                        self.vain = 0;
                    }
                    return Ok(Some(piece));
                }
                Ok(None) if self.part.total.is_none_or(|total| total == self.at) => {
                    return Ok(None);
                }
                Ok(None) => self.other_size(),
                Err(error) => error,
            };
            self.resume(broken).await?;
        }
    }

    /// Asks for the rest until there is one.
    ///
    /// # Errors
    /// Why it broke off, where there is no rest to be had: the caller then starts from the first byte.
    async fn resume(&mut self, broken: ApplianceError) -> Result<(), ApplianceError> {
        let mut why = broken;
        loop {
            if self.vain >= RESUMES_IN_A_ROW_MAX || !may_pass(&why) {
                return Err(why);
            }
            tokio::time::sleep(self.wait(&why)).await;
            self.vain += 1;
            self.asked_at = self.at;
            tracing::info!(asked = self.asked, at = self.at, error = %why, "asking for the rest of a download");
            match self.rest_of_it().await {
                Ok(Some(rest)) => {
                    self.rest = rest;
                    return Ok(());
                }
                Ok(None) => return Err(why),
                Err(error) => why = error,
            }
        }
    }

    /// The rest; `None` where the appliance gives something else than just that.
    async fn rest_of_it(&mut self) -> Result<Option<Pieces>, ApplianceError> {
        let Some(version) = self.part.version.clone() else { return Ok(None) };
        let rest = Rest { from: self.at, version };
        let ask = Ask {
            asked: self.asked.clone(),
            path: "api/reporting",
            body: Body::FormForRest(self.form.clone(), rest),
            permission: self.permission,
            limits: LIMITS_MADE,
        };
        let opened = self.client.open(ask).await?;
        if !opened.part.continues(&self.part, self.at) {
            return Ok(None);
        }
        Ok(Some(stream::iter([Ok(opened.first)]).chain(opened.rest).boxed()))
    }

    fn wait(&self, why: &ApplianceError) -> Duration {
        match (why.recourse(), self.vain) {
            (Recourse::Throttled(wait), _) => wait,
            (_, 0) => Duration::ZERO,
            (_, vain) => WAIT_FIRST * (1 << (vain - 1)),
        }
    }

    fn other_size(&self) -> ApplianceError {
        let total = self.part.total.unwrap_or_default();
        ApplianceError::Malformed {
            asked: self.asked.clone(),
            what: format!("it ends after {} of {total} bytes", self.at),
        }
    }
}

/// Whether the same request may succeed in a moment.
fn may_pass(error: &ApplianceError) -> bool {
    matches!(
        error,
        ApplianceError::Cut { .. }
            | ApplianceError::Silent { .. }
            | ApplianceError::Slow { .. }
            | ApplianceError::HungUp { .. }
            | ApplianceError::Unreachable { .. }
            | ApplianceError::Failing { .. }
    ) || matches!(error.recourse(), Recourse::Throttled(wait) if wait <= WAIT_FIRST * 60)
}
