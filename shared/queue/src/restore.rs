use domain::facts::ArtifactStaged;
use messages::Fact;

use crate::{Log, LogError, Published};

impl Log {
    /// Puts a staged fact that was kept beside its object back into a log that lost it, with the revision it had. One
    /// that the log has, or a newer one of the same artifact, is left as it is; says whether it was put back.
    ///
    /// Several of one artifact have to come one after the other, the oldest first.
    ///
    /// # Errors
    /// When the server does not answer or does not confirm it; a repeat finds what stands there.
    pub async fn restore(&self, staged: &ArtifactStaged) -> Result<bool, LogError> {
        let Some(revision) = staged.revision else { return Ok(false) };
        let fact = Fact::ArtifactStaged(staged.clone());
        let mut expected_last = 0;
        loop {
            if let Published::At(_) = self.publish_after(&fact, expected_last).await? {
                return Ok(true);
            }
            let Some(last) = self.last_staged(&staged.artifact).await? else { continue };
            if self.revision_of(&last.fact, last.sequence).await? >= revision {
                return Ok(false);
            }
            expected_last = last.sequence;
        }
    }
}
