use std::time::Duration;

/// The shortest wait for something that is not there yet.
const WAIT_MIN: Duration = Duration::from_secs(5);
/// The longest.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// Who has waited for so long waits no more: recordings are rendered in minutes, on a busy appliance in hours.
const WAITED_MAX: Duration = Duration::from_secs(48 * 3600);

/// How long to wait before something that the appliance does not have yet is asked for again, by how long it has been
/// waited for; `None` when that was long enough. The waits grow by a half each time, so nobody has to count them.
pub fn patience(waited: Duration) -> Option<Duration> {
    (waited < WAITED_MAX).then(|| (waited / 2).clamp(WAIT_MIN, WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_up_to_an_hour_and_end_after_two_days() {
        for (waited_secs, wait_secs) in [
            (0, Some(5)),
            (9, Some(5)),
            (60, Some(30)),
            (3_600, Some(1_800)),
            (7_200, Some(3_600)),
            (100_000, Some(3_600)),
            (172_799, Some(3_600)),
            (172_800, None),
        ] {
            let wait = patience(Duration::from_secs(waited_secs));
            assert_eq!(wait, wait_secs.map(Duration::from_secs), "{waited_secs} s");
        }
    }

    #[test]
    fn two_days_cost_less_than_a_hundred_requests() {
        let (mut waited, mut requests) = (Duration::ZERO, 0);
        while let Some(wait) = patience(waited) {
            waited += wait;
            requests += 1;
        }
        assert!((20..100).contains(&requests), "{requests}");
    }
}
