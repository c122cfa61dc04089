use domain::facts::{
    Activity, Again, ArtifactStaged, ArtifactUnavailable, Asked, BackupDue, DeadLetter,
    RecordingDue, SessionEnded,
};
use domain::{ArtifactId, DestinationId, Family, Kind, Lsid, SiteHost};

use crate::{Fact, escape};

/// The subjects of one log, all below one prefix.
///
/// A subject is the identity of what it names: two facts of one subject are about the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    prefix: String,
}

/// A prefix that can't stand in names of streams, consumers and subjects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} can't be the log's prefix: 1 to 32 of a-z, 0-9 and '-' can")]
pub struct InvalidPrefix(pub String);

impl Subjects {
    /// The subjects below a prefix.
    ///
    /// # Errors
    /// When the prefix is empty, longer than 32, or has other characters than a-z, 0-9 and `-`.
    pub fn new(prefix: &str) -> Result<Self, InvalidPrefix> {
        let fits = (1..=32).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Subjects { prefix: prefix.to_owned() })
        } else {
            Err(InvalidPrefix(prefix.to_owned()))
        }
    }

    /// The prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The subject of a fact.
    pub fn of(&self, fact: &Fact) -> String {
        match fact {
            Fact::SessionEnded(SessionEnded { site, family, lsid, .. }) => {
                self.ended(site, *family, lsid)
            }
            Fact::BackupDue(BackupDue { site, slot }) => self.below(&[
                "backup.due",
                &escape(site.as_str()),
                Kind::SiteBackup.as_str(),
                &slot.to_string(),
            ]),
            Fact::RecordingDue(RecordingDue { recording, .. }) => self.recording_due(recording),
            Fact::ArtifactStaged(ArtifactStaged { artifact, .. }) => self.staged(artifact),
            Fact::ArtifactUnavailable(ArtifactUnavailable { artifact, .. }) => {
                self.unavailable(artifact)
            }
            Fact::Again(again) => self.again(again),
            Fact::DeadLetter(letter) => self.dead(letter),
            Fact::Activity(Activity { deed, by, .. }) => {
                self.below(&["activity", deed.as_str(), &escape(by)])
            }
        }
    }

    /// Where the end of a session or presentation is announced.
    pub fn ended(&self, site: &SiteHost, family: Family, lsid: &Lsid) -> String {
        self.below(&[family.as_str(), "ended", &escape(site.as_str()), &escape(lsid.as_str())])
    }

    /// Where a recording is announced.
    pub fn recording_due(&self, recording: &ArtifactId) -> String {
        self.below(&["recording.due", &artifact(recording)])
    }

    /// Where a staged artifact is announced.
    pub fn staged(&self, staged: &ArtifactId) -> String {
        self.below(&["artifact.staged", &artifact(staged)])
    }

    /// Where it is said that an artifact can't be had any more.
    pub fn unavailable(&self, gone: &ArtifactId) -> String {
        self.below(&["artifact.unavailable", &artifact(gone)])
    }

    /// Where a thing is asked for again.
    pub fn again(&self, again: &Again) -> String {
        let whom = match &again.to {
            Asked::Fetch => "fetch".to_owned(),
            Asked::Deliver(destination) => format!("deliver.{destination}"),
        };
        self.below(&["again", &whom, &artifact(&again.artifact), &escape(&again.ask)])
    }

    /// Where a dead letter lies. One for each worker, destination and artifact: the last one wins.
    pub fn dead(&self, letter: &DeadLetter) -> String {
        self.settled_by_hand("dead", letter)
    }

    /// Where it is kept that a dead letter was discarded.
    pub fn discarded(&self, letter: &DeadLetter) -> String {
        self.settled_by_hand("discarded", letter)
    }

    fn settled_by_hand(&self, what: &str, letter: &DeadLetter) -> String {
        let destination = letter.destination.as_ref().map_or("fetch", DestinationId::as_str);
        let about = match &letter.artifact {
            Some(about) => artifact(about),
            None => format!("message.{}.{}", escape(&letter.letter.stream), letter.letter.sequence),
        };
        self.below(&[what, &escape(&letter.worker), destination, &about])
    }

    /// What one kind of one site is fetched for: the filter of its route.
    pub fn due_of(&self, site: &SiteHost, kind: Kind) -> String {
        let site = escape(site.as_str());
        match kind {
            Kind::SessionData => self.below(&["session.ended", &site, "*"]),
            Kind::PresentationData => self.below(&["presentation.ended", &site, "*"]),
            Kind::SiteBackup => self.below(&["backup.due", &site, kind.as_str(), "*"]),
            _ => self.below(&["recording.due", &site, kind.as_str(), "*.*"]),
        }
    }

    /// What one kind of one site is delivered for: the filter of its routes.
    pub fn staged_of(&self, site: &SiteHost, kind: Kind) -> String {
        self.below(&["artifact.staged", &escape(site.as_str()), kind.as_str(), "*.*"])
    }

    /// All ends of one site's sessions or presentations, also of such as had counted as abandoned.
    pub fn ended_of(&self, site: &SiteHost, family: Family) -> Vec<String> {
        let site = escape(site.as_str());
        let after_all = ["again.fetch", &site, family.report().as_str(), "*.*", "ended"];
        vec![self.below(&[family.as_str(), "ended", &site, "*"]), self.below(&after_all)]
    }

    /// The announcements of one session's recordings.
    pub fn recordings_due_of(&self, site: &SiteHost, lsid: &Lsid) -> String {
        self.below(&["recording.due", &escape(site.as_str()), "*", &escape(lsid.as_str()), "*"])
    }

    /// The announcements of one session's recordings of one kind.
    pub fn recordings_of_kind_due(&self, site: &SiteHost, kind: Kind, lsid: &Lsid) -> String {
        let (site, lsid) = (escape(site.as_str()), escape(lsid.as_str()));
        self.below(&["recording.due", &site, kind.as_str(), &lsid, "*"])
    }

    /// What of one kind of one site is said to be unavailable.
    pub fn unavailable_of(&self, site: &SiteHost, kind: Kind) -> String {
        self.below(&["artifact.unavailable", &escape(site.as_str()), kind.as_str(), "*.*"])
    }

    /// All that is asked of the fetchers again for one site.
    pub fn again_fetch_of(&self, site: &SiteHost) -> String {
        self.below(&["again.fetch", &escape(site.as_str()), ">"])
    }

    /// All that is asked of one destination again.
    pub fn again_deliver_of(&self, destination: &DestinationId) -> String {
        self.below(&["again.deliver", destination.as_str(), ">"])
    }

    /// Where it is said that a new life of the log has begun.
    pub fn epochs(&self) -> String {
        self.below(&["epoch.opened"])
    }

    /// Everything in the stream of what is due.
    pub fn of_due(&self) -> Vec<String> {
        [
            "session.ended.>",
            "presentation.ended.>",
            "recording.due.>",
            "backup.due.>",
            "again.fetch.>",
        ]
        .map(|below| self.below(&[below]))
        .to_vec()
    }

    /// Everything in the stream of artifacts.
    pub fn of_artifacts(&self) -> Vec<String> {
        ["artifact.staged.>", "artifact.unavailable.>", "again.deliver.>", "epoch.>"]
            .map(|below| self.below(&[below]))
            .to_vec()
    }

    /// Everything in the stream of activity.
    pub fn of_activity(&self) -> Vec<String> {
        vec![self.below(&["activity.>"])]
    }

    /// Everything in the stream of dead letters.
    pub fn of_dead(&self) -> Vec<String> {
        ["dead.>", "discarded.>"].map(|below| self.below(&[below])).to_vec()
    }

    fn below(&self, tokens: &[&str]) -> String {
        let mut subject = self.prefix.clone();
        for token in tokens {
            subject.push('.');
            subject.push_str(token);
        }
        subject
    }
}

/// The four tokens of an artifact; `-` where there is no instance, so that their number is always the same.
fn artifact(id: &ArtifactId) -> String {
    let instance = id.instance().map_or_else(|| "-".to_owned(), |instance| instance.to_string());
    let key = escape(&id.key().to_string());
    format!("{}.{}.{key}.{instance}", escape(id.site().as_str()), id.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples;

    #[test]
    fn the_subjects_of_the_examples_are_what_the_log_keeps() {
        let subjects = Subjects::new("sluice").expect("a prefix");
        let listed: Vec<String> = examples::all().iter().map(|fact| subjects.of(fact)).collect();
        assert_eq!(
            listed,
            [
                "sluice.session.ended.support=2Eexample=2Ecom.0123456789abcdef0123456789abcdef",
                "sluice.backup.due.support=2Eexample=2Ecom.site-backup.20261122T020000Z",
                "sluice.recording.due.support=2Eexample=2Ecom.command-shell-recording.0123456789abcdef0123456789abcdef.0",
                "sluice.artifact.staged.support=2Eexample=2Ecom.session-data.0123456789abcdef0123456789abcdef.-",
                "sluice.artifact.unavailable.support=2Eexample=2Ecom.command-shell-recording.0123456789abcdef0123456789abcdef.0",
                "sluice.again.deliver.abababababababababababababababab.support=2Eexample=2Ecom.session-data.0123456789abcdef0123456789abcdef.-.retry-17",
                "sluice.dead.fetch.fetch.support=2Eexample=2Ecom.session-data.0123456789abcdef0123456789abcdef.-",
                "sluice.activity.delivered.sql-sink",
            ]
        );
    }

    #[test]
    fn no_prefix_can_open_a_subject() {
        for prefix in ["", "a.b", "*", ">", "A", "a b", &"a".repeat(33)] {
            assert!(Subjects::new(prefix).is_err(), "{prefix:?}");
        }
    }
}
