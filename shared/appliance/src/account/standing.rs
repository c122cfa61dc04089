use chrono::{DateTime, Utc};

use super::{Lasting, Passing};

/// How an API account stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStanding {
    /// Requests granted to processes in the last hour.
    pub requests_granted: u32,
    /// Downloads under way in all processes.
    pub downloads: usize,
    /// What stands against a login, in words of the appliance; none where nothing does.
    pub trouble: Option<String>,
}

impl AccountStanding {
    /// The standing that a record shows.
    pub fn of(lasting: &Lasting, passing: &Passing, now: DateTime<Utc>) -> Self {
        let forbidden = lasting.forbidden.as_ref().filter(|forbidden| forbidden.until > now);
        let refused = lasting.refused.last();
        // A token was issued since: the secret in the settings is another one by now.
        let refused = refused.filter(|refused| {
            passing.token.as_ref().is_none_or(|token| token.issued_at < refused.at)
        });
        let trouble = match (refused, forbidden) {
            (Some(refused), _) => Some(format!(
                "the client id or secret was refused at {}{}",
                refused.at.format("%Y-%m-%d %H:%M:%SZ"),
                refused.words
            )),
            (None, Some(forbidden)) => Some(format!("the login is forbidden{}", forbidden.words)),
            (None, None) => None,
        };
        AccountStanding {
            requests_granted: lasting.hour.granted(now),
            downloads: passing.downloads.taken(now),
            trouble,
        }
    }
}
