use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::hour::{GRANT_LIFE, Grant};
use super::{Account, SharedError};

/// Longer waits are told to the caller, whose slot may serve somebody else meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A place that is used later than this is lost: requests that were held up would leave at once. Its request is not.
const LATE_MAX: Duration = Duration::from_millis(50);
/// How far ahead the first place is at most, for the time that the record takes to answer.
const TRIP_MAX: Duration = Duration::from_millis(500);
/// Who finds everything booked comes back at a moment of its own, up to so much later.
const STAGGER_MILLIS: u64 = 20;

/// How many requests an API account may still send, shared with every process that has the same record: at most so
/// many in any second and in any hour.
pub(crate) struct Budget {
    account: Arc<Account>,
    per_second: u32,
    per_hour: u32,
    bytes_per_second: Option<u32>,
    waiting: AtomicU32,
    held: Mutex<Held>,
    bytes: Mutex<u32>,
}

/// What this process holds of the budget. Who books for all holds the lock, in the order of coming.
#[derive(Default)]
struct Held {
    places: VecDeque<Place>,
    /// How long the record took to answer the last time.
    trip: Duration,
    grant: Grant,
    grant_ends: Option<Instant>,
}

/// When a request may be sent.
#[derive(Clone, Copy)]
struct Place {
    at: Instant,
    /// The request's number.
    number: u64,
    /// The minute that its grant counts in.
    minute: i64,
}

impl Place {
    fn is_late(&self) -> bool {
        self.at.elapsed() > LATE_MAX
    }
}

impl Held {
    /// Has a request sent later whose place was not used. One of an earlier minute would count for too short a time.
    fn take_back(&mut self, place: Place) {
        if place.minute == self.grant.minute {
            self.grant.requests += 1;
        }
    }
}

/// Why a request may not be sent now.
#[derive(Debug)]
pub(crate) enum BudgetError {
    /// It has to wait so long.
    Wait(Duration),
    /// The record does not answer.
    Shared(SharedError),
}

impl Budget {
    pub fn new(
        account: Arc<Account>,
        (per_second, per_hour): (u32, u32),
        bytes_per_second: Option<u32>,
    ) -> Self {
        Budget {
            account,
            per_second,
            per_hour,
            bytes_per_second,
            waiting: AtomicU32::new(0),
            held: Mutex::default(),
            bytes: Mutex::default(),
        }
    }

    /// Waits until a request may be sent, and gives its number.
    ///
    /// # Errors
    /// When that is too long to wait here, or the record does not answer.
    pub async fn wait(&self) -> Result<u64, BudgetError> {
        let begun = Instant::now();
        let _waiting = Waiting::among(&self.waiting);
        loop {
            let place = self.place(begun).await?;
            sleep_until(place.at).await;
            if !place.is_late() {
                return Ok(place.number);
            }
            self.held.lock().await.take_back(place);
            if begun.elapsed() > WAIT_MAX {
                return Err(BudgetError::Wait(Duration::from_secs(1)));
            }
        }
    }

    /// The next place of this process, booked if it has none left.
    async fn place(&self, begun: Instant) -> Result<Place, BudgetError> {
        let mut held = self.held.lock().await;
        loop {
            while let Some(place) = held.places.pop_front() {
                if !place.is_late() {
                    return Ok(place);
                }
                held.take_back(place);
            }
            self.fill_grant(&mut held).await?;
            match self.book(&mut held).await? {
                // All of them late, again and again: the record takes too long to answer.
                Ok(()) if begun.elapsed() > WAIT_MAX => {
                    return Err(BudgetError::Wait(Duration::from_secs(1)));
                }
                Ok(()) => {}
                Err(wait) if Instant::now() + wait > begun + WAIT_MAX => {
                    return Err(BudgetError::Wait(wait));
                }
                Err(wait) => {
                    let stagger = rand::random::<u64>() % STAGGER_MILLIS;
                    tokio::time::sleep(wait + Duration::from_millis(stagger)).await;
                }
            }
        }
    }

    /// Books places for all who wait here, out of the hour's grant.
    async fn book(&self, held: &mut Held) -> Result<Result<(), Duration>, BudgetError> {
        let waiting = self.waiting.load(Ordering::Relaxed).max(1);
        let wanted = waiting.min(held.grant.requests);
        let (asked, trip) = (Instant::now(), held.trip);
        let booked = self
            .account
            .change_passing(|passing, now| {
                // Both clocks are read as the places are computed, and not after the server has answered. When it will
                // have, they are not to be late.
                let then = now + trip;
                (Instant::now() + trip, then, passing.book(then, wanted, self.per_second))
            })
            .await
            .map_err(BudgetError::Shared)?;
        held.trip = asked.elapsed().min(TRIP_MAX);
        let (instant, now, booking) = booked;
        let (booking, number) = match booking {
            Ok(booking) => booking,
            Err(wait) => return Ok(Err(wait)),
        };
        held.grant.requests = held.grant.requests.saturating_sub(booking.count);
        let first = instant + (booking.first - now).to_std().unwrap_or_default();
        let minute = held.grant.minute;
        let place = |index| Place {
            at: first + booking.every * index,
            number: number + u64::from(index),
            minute,
        };
        held.places.extend((0..booking.count).map(place));
        Ok(Ok(()))
    }

    async fn fill_grant(&self, held: &mut Held) -> Result<(), BudgetError> {
        let ends = held.grant_ends;
        if held.grant.requests > 0 && ends.is_some_and(|ends| Instant::now() < ends) {
            return Ok(());
        }
        let asked = Instant::now();
        // If the answer is lost, the same unused requests must not go back twice.
        let unused = std::mem::take(&mut held.grant);
        let granted = self
            .account
            .change_lasting(|lasting, now| lasting.hour.grant(now, unused, self.per_hour))
            .await
            .map_err(BudgetError::Shared)?;
        held.grant = granted.map_err(BudgetError::Wait)?;
        held.grant_ends = Some(asked + GRANT_LIFE - WAIT_MAX);
        Ok(())
    }

    /// Lets no request through for so long, in any process: the appliance said so.
    pub async fn close_for(&self, wait: Duration) {
        let closed = self.account.change_passing(|passing, now| passing.close(now, wait)).await;
        if let Err(error) = closed {
            tracing::debug!(%error, "could not tell the other processes to wait");
        }
    }

    /// Notes what the appliance says that remains of the hour, in answer to the request with this number.
    pub async fn remains(&self, number: u64, requests: u32) {
        let matters = |passing: super::Passing| passing.minds(requests, self.per_second);
        if !self.account.passing_seen().is_none_or(matters) {
            return;
        }
        let told = self
            .account
            .change_passing(|passing, now| {
                if passing.minds(requests, self.per_second) {
                    passing.told_remaining(now, (number, requests), self.per_second);
                }
            })
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "could not tell the other processes what remains of the hour");
        }
    }

    /// Waits until so many bytes more may have come; at once where no limit is set. A record that does not answer holds
    /// nothing up here: the bytes are on their way.
    pub async fn wait_for_bytes(&self, bytes: usize) {
        let Some(per_second) = self.bytes_per_second else { return };
        let mut left = u32::try_from(bytes).unwrap_or(u32::MAX);
        let each = Duration::from_secs(1) / per_second.max(1);
        let mut had = self.bytes.lock().await;
        while left > *had {
            left -= std::mem::take(&mut *had);
            // Small pieces share a booking.
            let wanted = left.max(per_second / 8);
            let booked = self
                .account
                .change_passing(|passing, now| (now, passing.bytes.book_each(now, wanted, each)));
            match booked.await {
                Ok((now, Ok(booking))) => {
                    let wait = (booking.first - now).to_std().unwrap_or_default();
                    tokio::time::sleep(wait + each * booking.count).await;
                    *had = booking.count;
                }
                Ok((_, Err(wait))) => tokio::time::sleep(wait).await,
                Err(error) => {
                    tracing::debug!(%error, "could not share the limit of bytes");
                    return;
                }
            }
        }
        *had -= left;
    }
}

/// Counts as waiting until dropped.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a AtomicU32) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({}/s, {}/h)", self.per_second, self.per_hour)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, Utc};
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;
    use crate::account::shared::{Own, Read, Shared};
    use crate::account::{AccountRecord, Lasting, Passing};

    fn budgets(processes: usize, per_second: u32, per_hour: u32) -> Vec<Budget> {
        let record = AccountRecord::own();
        let budget = |_| Budget::new(Account::new(record.clone()), (per_second, per_hour), None);
        (0..processes).map(budget).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_wait_is_waited_and_a_long_one_is_told_to_all() {
        let budgets = budgets(2, 1, 1000);
        budgets[0].wait().await.expect("there is room");
        budgets[1].wait().await.expect("a second is waited");
        budgets[0].close_for(Duration::from_secs(30)).await;
        for budget in &budgets {
            let Err(BudgetError::Wait(wait)) = budget.wait().await else { panic!("it is closed") };
            assert!(wait <= Duration::from_secs(30) && wait > Duration::from_secs(28), "{wait:?}");
        }
        tokio::time::advance(Duration::from_secs(30)).await;
        budgets[1].wait().await.expect("it is open again");
    }

    #[tokio::test(start_paused = true)]
    async fn seven_processes_together_keep_the_second_and_use_four_fifths_of_it() {
        let budgets = budgets(7, 20, 15_000);
        let begun = Instant::now();
        let ask = async |budget: &Budget| {
            let mut sent = Vec::new();
            while begun.elapsed() < Duration::from_secs(20) {
                match budget.wait().await {
                    Ok(_) => sent.push(begun.elapsed().as_millis()),
                    Err(BudgetError::Wait(wait)) => tokio::time::sleep(wait).await,
                    Err(error) => panic!("{error:?}"),
                }
            }
            sent
        };
        let asking = budgets.iter().flat_map(|budget| (0..4).map(move |_| ask(budget)));
        let each = futures::future::join_all(asking).await;
        let mut sent: Vec<u128> = each.concat();
        sent.sort();
        let mut most = 0;
        for (index, at) in sent.iter().enumerate() {
            most = most.max(sent[index..].iter().take_while(|other| **other - at < 1150).count());
        }
        assert!(most <= 20, "{most} in 1.15 s");
        assert!(sent.len() >= 310, "{} in 20 s", sent.len());
    }

    /// A record that takes its time to be written.
    #[derive(Debug)]
    struct Far<V>(Own<V>, Duration);

    impl<V: Clone + fmt::Debug + Send + Sync> Shared<V> for Far<V> {
        fn read(&self) -> BoxFuture<'_, Result<Option<Read<V>>, SharedError>> {
            self.0.read()
        }

        fn write(
            &self,
            value: V,
            read: Option<u64>,
        ) -> BoxFuture<'_, Result<Option<u64>, SharedError>> {
            async move {
                let written = self.0.write(value, read).await;
                tokio::time::sleep(self.1).await;
                written
            }
            .boxed()
        }

        fn now(&self) -> DateTime<Utc> {
            self.0.now()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_far_away_lets_requests_through_and_costs_none_of_the_hour() {
        for millis in [20, 60, 100, 300] {
            let trip = Duration::from_millis(millis);
            let lasting = Arc::new(Own::new(Lasting::default()));
            let passing = Arc::new(Far(Own::new(Passing::default()), trip));
            let record = AccountRecord::new(lasting, passing);
            let budget = Budget::new(Account::new(record), (20, 256), None);
            let begun = Instant::now();
            let mut sent = 0;
            while begun.elapsed() < Duration::from_secs(60) {
                match budget.wait().await {
                    Ok(_) => sent += 1,
                    Err(BudgetError::Wait(_)) => break,
                    Err(error) => panic!("{error:?}"),
                }
            }
            assert!(sent >= 60, "{millis} ms: {sent} in {:?}", begun.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn seven_processes_together_keep_the_hour_and_lose_little_of_it() {
        let budgets = budgets(7, 1000, 2_000);
        let mut sent: BTreeMap<usize, usize> = BTreeMap::new();
        let mut round = 0;
        while budgets[round % 7].wait().await.is_ok() {
            *sent.entry(round % 7).or_default() += 1;
            round += 1;
        }
        let all: usize = sent.values().sum();
        assert!((1_900..=2_000).contains(&all), "{all} of 2000: {sent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_come_as_fast_as_is_allowed_to_all_together() {
        let record = AccountRecord::own();
        let budget = || Budget::new(Account::new(record.clone()), (20, 15_000), Some(1_000_000));
        let (one, other) = (budget(), budget());
        let begun = Instant::now();
        let take = async |budget: &Budget| {
            for _ in 0..50 {
                budget.wait_for_bytes(100_000).await;
            }
        };
        tokio::join!(take(&one), take(&other));
        let secs = begun.elapsed().as_secs_f64();
        assert!((10.0..12.5).contains(&secs), "10 MB at 1 MB/s took {secs} s");
    }
}
