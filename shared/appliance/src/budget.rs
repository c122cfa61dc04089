use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A second as the appliance may measure it: requests that leave a second apart may arrive closer together.
const SECOND: Duration = Duration::from_millis(1100);
const HOUR: Duration = Duration::from_secs(3600);
/// The hour is counted in slices, each dropped as a whole once its last request is an hour old.
const SLICE: Duration = Duration::from_secs(60);
/// Longer waits are told to the caller, whose slot may serve somebody else meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How many requests an API account may still send: at most so many in any second and in any hour, in this process.
pub struct Budget {
    per_second: usize,
    per_hour: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last grants, at most `per_second` of them.
    recent: VecDeque<Instant>,
    /// When a slice began, and its grants.
    slices: VecDeque<(Instant, u32)>,
    closed_until: Option<Instant>,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(per_second: u32, per_hour: u32) -> Self {
        Budget { per_second: per_second as usize, per_hour, state: Mutex::default() }
    }

    /// Waits until a request may be sent, and counts it.
    ///
    /// # Errors
    /// The time until then, when it is too long to wait here.
    pub async fn wait(&self) -> Result<(), Duration> {
        let begun = Instant::now();
        loop {
            let now = Instant::now();
            match self.take(now) {
                Ok(()) => return Ok(()),
                Err(wait) if now + wait > begun + WAIT_MAX => return Err(wait),
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Lets no request through for this long: the appliance said so.
    pub fn close_for(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.state();
        state.closed_until = state.closed_until.max(Some(until));
    }

    /// Counts a request that is sent now, or tells how long it has to wait.
    fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        if let Some(until) = state.closed_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        while state.slices.front().is_some_and(|(begun, _)| now >= *begun + SLICE + HOUR) {
            state.slices.pop_front();
        }
        let used: u32 = state.slices.iter().map(|(_, grants)| grants).sum();
        if let Some((begun, _)) = state.slices.front().filter(|_| used >= self.per_hour) {
            return Err(*begun + SLICE + HOUR - now);
        }
        if state.recent.len() >= self.per_second
            && let Some(oldest) = state.recent.front()
        {
            if *oldest + SECOND > now {
                return Err(*oldest + SECOND - now);
            }
            state.recent.pop_front();
        }
        state.recent.push_back(now);
        match state.slices.back_mut() {
            Some((begun, grants)) if now < *begun + SLICE => *grants += 1,
            _ => state.slices.push_back((now, 1)),
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({}/s, {}/h)", self.per_second, self.per_hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_than_its_share() {
        let (budget, start) = (Budget::new(3, 1000), Instant::now());
        for millis in [0, 900, 950] {
            budget.take(start + Duration::from_millis(millis)).expect("there is room");
        }
        let refused = budget.take(start + Duration::from_millis(1000));
        assert_eq!(refused, Err(Duration::from_millis(100)));
        budget.take(start + Duration::from_millis(1100)).expect("the first is a second old");
        assert!(budget.take(start + Duration::from_millis(1101)).is_err());
    }

    #[test]
    fn no_hour_sees_more_than_its_share() {
        let (budget, start) = (Budget::new(100, 4), Instant::now());
        for minute in [0, 10, 20, 59] {
            budget.take(start + SLICE * minute).expect("there is room");
        }
        let refused = budget.take(start + HOUR);
        assert_eq!(refused, Err(SLICE), "the first slice counts until its end is an hour old");
        budget.take(start + HOUR + SLICE).expect("the first has left the hour");
        assert!(budget.take(start + HOUR + SLICE).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_wait_is_waited_and_a_long_one_is_told() {
        let budget = Budget::new(1, 1000);
        budget.wait().await.expect("there is room");
        budget.wait().await.expect("a second is waited");
        budget.close_for(Duration::from_secs(30));
        assert_eq!(budget.wait().await, Err(Duration::from_secs(30)));
        tokio::time::advance(Duration::from_secs(30)).await;
        budget.wait().await.expect("it is open again");
    }
}
