use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use domain::{DestinationId, Digest, Revision};

use super::*;
use crate::columns::{SESSION_EVENT_DATA, Table};
use crate::store::{Incoming, StoreError, StoredRow, Written};

/// A SQLite database of which a session is written again while its tables are read: after its events, before their data.
struct Busy {
    store: Sqlite,
    again: Mutex<Option<Incoming>>,
}

impl Store for Busy {
    fn identity(&self) -> &DestinationId {
        self.store.identity()
    }
    fn place(&self) -> &str {
        self.store.place()
    }
    async fn write(&self, batch: &[Incoming]) -> Result<Vec<Written>, StoreError> {
        self.store.write(batch).await
    }
    async fn ledger(&self, site: &SiteHost, lsid: &Lsid) -> Result<Option<LedgerRow>, StoreError> {
        self.store.ledger(site, lsid).await
    }
    async fn newest(&self) -> Result<Option<Revision>, StoreError> {
        self.store.newest().await
    }
    async fn marks(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.store.marks().await
    }
    async fn renew(&self, identity: &DestinationId) -> Result<bool, StoreError> {
        self.store.renew(identity).await
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.store.probe().await
    }
    async fn rehearse(&self, bytes: u64) -> Result<(), StoreError> {
        self.store.rehearse(bytes).await
    }
    async fn rows(
        &self,
        table: &'static Table,
        of: Option<&[i64]>,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let again = match table == &SESSION_EVENT_DATA {
            true => self.again.lock().expect("nobody panics").take(),
            false => None,
        };
        if let Some(incoming) = again {
            self.store.write(&[incoming]).await?;
        }
        self.store.rows(table, of).await
    }
    async fn adopted(
        &self,
        of: &[(SiteHost, Lsid)],
    ) -> Result<BTreeSet<(String, String)>, StoreError> {
        self.store.adopted(of).await
    }
    async fn ledger_page(
        &self,
        after: Option<&LedgerEntry>,
        count: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        self.store.ledger_page(after, count).await
    }
    async fn strays(&self, after_id: i64, count: usize) -> Result<Vec<Stray>, StoreError> {
        self.store.strays(after_id, count).await
    }
    async fn ledger_rows(&self) -> Result<Vec<(String, String, LedgerRow)>, StoreError> {
        self.store.ledger_rows().await
    }
}

/// A database and a staging that hold the sessions 1 and 2.
struct House {
    folder: tempfile::TempDir,
    staging: Staging,
    store: Busy,
    agreed: Vec<(ArtifactId, ClaimCheck)>,
    incoming: Vec<Incoming>,
}

fn report_of(lsid: &str) -> String {
    format!(
        "<session_list xmlns=\"http://www.beyondtrust.com/sra/namespaces/API/reporting\"><session lsid=\"{lsid}\">\
         <session_type>support</session_type><session_details><event timestamp=\"1700000000\" \
         event_type=\"Chat Message\"><body>said</body></event></session_details></session></session_list>"
    )
}

impl House {
    async fn build() -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let staged = folder.path().join("staging");
        std::fs::create_dir(&staged).expect("a folder");
        let staging = Staging::open(&format!("file://{}", staged.display())).await;
        let staging = staging.expect("a folder can be staging");
        let store = Sqlite::open(&folder.path().join("sessions.db")).await.expect("a database");
        let (mut agreed, mut incoming) = (Vec::new(), Vec::new());
        for lsid in ["1", "2"] {
            let (xml, site) = (report_of(lsid), "a.example".parse::<SiteHost>().expect("a host"));
            let lsid: Lsid = lsid.parse().expect("an LSID");
            let artifact = ArtifactId::report(site.clone(), Family::Session, lsid.clone());
            let pieces = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(xml.clone()))]);
            let staged = staging.put(&artifact, "xml", pieces).await.expect("it is staged");
            let content = Digest::of(xml.as_bytes());
            let (size, digest, extension) = (staged.size, staged.digest, "xml".to_owned());
            let claim = ClaimCheck { object: staged.object, size, digest, content, extension };
            agreed.push((artifact, claim));
            let session = session_report::read(xml.as_bytes(), &Limits::default());
            let rows = SessionRows::of(&session.expect("a report"), &site, &lsid, true);
            incoming.push(Incoming {
                revision: Revision { epoch: 1, position: 1 },
                content,
                even_if_done: true,
                rows: Arc::new(rows),
                route: "deliver".into(),
                position: 1,
                site,
                lsid,
            });
        }
        store.write(&incoming).await.expect("a database that works");
        let store = Busy { store, again: Mutex::default() };
        House { folder, staging, store, agreed, incoming }
    }

    fn execute(&self, sql: &str) {
        let file = self.folder.path().join("sessions.db");
        let connection = rusqlite::Connection::open(file).expect("a file");
        connection.execute_batch(sql).expect("statements");
    }

    async fn told(&self) -> Result<Vec<String>, ReconcileError> {
        let mut told = Vec::new();
        let mut tell = |finding: Finding| told.push(format!("{finding:?}"));
        tables(&self.store, &self.staging, &self.agreed, &mut tell).await?;
        Ok(told)
    }
}

#[tokio::test]
async fn what_a_replay_writes_meanwhile_is_not_altered() {
    let house = House::build().await;
    *house.store.again.lock().expect("nobody panics") = Some(house.incoming[0].clone());
    assert_eq!(house.told().await.expect("all works"), [""; 0]);
    assert!(house.store.again.lock().expect("nobody panics").is_none(), "it was written again");
    house.execute("UPDATE session_event_data SET value = 'forged' WHERE id = (SELECT MAX(id) FROM session_event_data)");
    let told = house.told().await.expect("all works");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("session_event_data.value differs"), "{told:?}");
}

/// That it is gone is told where the ledger is read.
#[tokio::test]
async fn a_session_whose_number_another_has_is_not_told_twice() {
    let house = House::build().await;
    house.execute(
        "UPDATE sluice_ledger SET session_id = (SELECT id FROM session WHERE lsid = '2') WHERE lsid = '1';
         DELETE FROM session WHERE lsid = '1'",
    );
    assert_eq!(house.told().await.expect("all works"), [""; 0]);
}

#[tokio::test]
async fn a_staging_that_does_not_answer_ends_the_comparison() {
    let house = House::build().await;
    let object = house.folder.path().join("staging").join(&house.agreed[0].1.object);
    std::fs::remove_file(&object).expect("a staged report");
    let told = house.told().await.expect("only that one is gone");
    assert!(told.len() == 1 && told[0].contains("staging has lost it"), "{told:?}");
    // A name that leads to itself can't be read, and is not gone.
    std::os::unix::fs::symlink(&object, &object).expect("a name");
    let error = house.told().await.expect_err("staging does not answer");
    assert!(matches!(error, ReconcileError::Staging(_)), "{error:?}");
}
