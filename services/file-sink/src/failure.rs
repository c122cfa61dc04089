//! Whose fault it is that something could not be delivered.

use queue::Failure;

use crate::directory::{
    DeliveryError, Directory, Fault, LedgerError, PlaceError, Wanted, WriteError,
};

/// What becomes of the message of a delivery that failed.
pub(crate) fn of(directory: &Directory, wanted: &Wanted, error: DeliveryError) -> Failure {
    let fault = |cause: &PlaceError| directory.fault(cause, wanted.stamp.size);
    let fault = match &error {
        DeliveryError::Directory(_) => Fault::FileSystem,
        DeliveryError::File { cause, .. } => fault(cause),
        DeliveryError::Write { cause: WriteError::Disk(cause), .. } => fault(cause),
        DeliveryError::Ledger { cause, .. } | DeliveryError::Backups { cause, .. } => {
            of_ledger(directory, cause)
        }
        DeliveryError::NoNumber { .. } | DeliveryError::Unexpected { .. } => Fault::File,
        DeliveryError::Write { cause: WriteError::Differs { .. }, .. }
        | DeliveryError::Crowded { .. } => Fault::Unclear,
    };
    failure(fault, error.into())
}

/// What becomes of a message whose entry can't be read or written.
pub(crate) fn ledger_failed(directory: &Directory, error: LedgerError) -> Failure {
    failure(of_ledger(directory, &error), error.into())
}

/// What becomes of a message that is done and can't be marked as such: nobody else's could be either.
pub(crate) fn of_marks(directory: &Directory, cause: PlaceError) -> Failure {
    // The probes are to fail until it is mended.
    directory.fault(&cause, 0);
    Failure::Down(cause.into())
}

fn of_ledger(directory: &Directory, error: &LedgerError) -> Fault {
    match error {
        // The ledger's own names are short and plain: a refusal is never a file's fault for good.
        LedgerError::Disk(cause) => match directory.fault(cause, 0) {
            Fault::FileSystem => Fault::FileSystem,
            Fault::File | Fault::Unclear => Fault::Unclear,
        },
        LedgerError::NewerVersion { .. } => Fault::FileSystem,
        LedgerError::Unreadable { .. } => Fault::Unclear,
    }
}

fn failure(fault: Fault, cause: queue::BoxError) -> Failure {
    match fault {
        Fault::FileSystem => Failure::Down(cause),
        Fault::File => Failure::Reject(cause),
        Fault::Unclear => Failure::Retry(cause),
    }
}
