//! Every type of event that public material names.

use crate::options::Product;

/// What brings an event of a type about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Each session's beginning and end.
    Frame,
    /// A recording that the session has.
    Recording,
    /// Chance.
    Chance,
}

/// Which product knows the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Both,
    Support,
    Access,
}

/// A type of event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventType {
    pub(crate) name: &'static str,
    pub(crate) cause: Cause,
    on: On,
}

const fn of(name: &'static str, cause: Cause, on: On) -> EventType {
    EventType { name, cause, on }
}

const EVENT_TYPES: &[EventType] = &[
    of("Session Start", Cause::Frame, On::Both),
    of("Conference Owner Changed", Cause::Frame, On::Both),
    of("Conference Member Added", Cause::Frame, On::Both),
    of("Conference Member State Changed", Cause::Frame, On::Both),
    of("Conference Member Departed", Cause::Frame, On::Both),
    of("System Information Retrieved", Cause::Frame, On::Both),
    of("Session End", Cause::Frame, On::Both),
    of("Screen Recording", Cause::Recording, On::Both),
    of("Command Shell Session Started", Cause::Recording, On::Both),
    of("Show My Screen Recording", Cause::Recording, On::Support),
    of("Callback Button Deployed", Cause::Chance, On::Support),
    of("Callback Button Removed", Cause::Chance, On::Support),
    of("Chat Message", Cause::Chance, On::Both),
    of("Credential Injection Attempt", Cause::Chance, On::Both),
    of("Credential Injection Attempt Failed", Cause::Chance, On::Both),
    of("Customer Exit Survey", Cause::Chance, On::Support),
    of("Directory Created", Cause::Chance, On::Both),
    of("External Key", Cause::Chance, On::Both),
    of("File Deleted", Cause::Chance, On::Both),
    of("File Download", Cause::Chance, On::Both),
    of("File Download Failed", Cause::Chance, On::Both),
    of("File Moved", Cause::Chance, On::Both),
    of("File Transfer Complete", Cause::Chance, On::Access),
    of("File Upload", Cause::Chance, On::Both),
    of("File Upload Failed", Cause::Chance, On::Both),
    of("Files Shared", Cause::Chance, On::Both),
    of("Foreground Window Changed", Cause::Chance, On::Support),
    of("Jump Item Authorization Request", Cause::Chance, On::Both),
    of("Jump Item Authorization Request Utilized", Cause::Chance, On::Both),
    of("Legal Agreement Response", Cause::Chance, On::Support),
    of("Pinned Session Moved Away from Queue", Cause::Chance, On::Support),
    of("Pinned Session Moved to Queue", Cause::Chance, On::Support),
    of("Pinned Session Password Modified", Cause::Chance, On::Support),
    of("Registry Exported", Cause::Chance, On::Both),
    of("Registry Imported", Cause::Chance, On::Both),
    of("Registry Key Added", Cause::Chance, On::Both),
    of("Registry Key Deleted", Cause::Chance, On::Both),
    of("Registry Key Renamed", Cause::Chance, On::Both),
    of("Registry Value Added", Cause::Chance, On::Both),
    of("Registry Value Deleted", Cause::Chance, On::Both),
    of("Registry Value Modified", Cause::Chance, On::Both),
    of("Registry Value Renamed", Cause::Chance, On::Both),
    of("Remote Shell Event", Cause::Chance, On::Access),
    of("Remote Shell Session Started", Cause::Chance, On::Both),
    of("Representative Exit Survey", Cause::Chance, On::Support),
    of("Representative Monitoring Started", Cause::Chance, On::Support),
    of("Representative Monitoring Stopped", Cause::Chance, On::Support),
    of("Screenshot Captured", Cause::Chance, On::Both),
    of("Service Access Allowed", Cause::Chance, On::Both),
    of("Session Assigned", Cause::Chance, On::Support),
    of("Session Assignment Response", Cause::Chance, On::Support),
    of("Session Foreground Window Changed", Cause::Chance, On::Both),
    of("Session Mouse Left Clicked", Cause::Chance, On::Access),
    of("Session Note Added", Cause::Chance, On::Both),
    of("Session Pinned to Queue", Cause::Chance, On::Support),
    of("Session Transferred Away from Queue", Cause::Chance, On::Support),
    of("Session Transferred to Queue", Cause::Chance, On::Support),
    of("Session Unpinned from Queue", Cause::Chance, On::Support),
    of("Session Window Closed", Cause::Chance, On::Access),
    of("Special Action Executed", Cause::Chance, On::Both),
    // Not in any list: a reader has to pass on what it does not know.
    of("Coffee Offered", Cause::Chance, On::Both),
    of("Événement inconnu <&>", Cause::Chance, On::Both),
    of("Session Priority Changed", Cause::Chance, On::Support),
    of("Elevation Attempted", Cause::Chance, On::Both),
    of("Session Recording Paused", Cause::Chance, On::Access),
    of("Session Recording Resumed", Cause::Chance, On::Access),
    of("未知のイベント", Cause::Chance, On::Both),
];

/// The types of events that a product's reports have.
pub(crate) fn event_types(product: Product) -> impl Iterator<Item = &'static EventType> {
    EVENT_TYPES.iter().filter(move |one| match one.on {
        On::Both => true,
        On::Support => product == Product::RemoteSupport,
        On::Access => product == Product::PrivilegedRemoteAccess,
    })
}
