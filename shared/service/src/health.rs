//! What runs in this process, and how each part is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

/// The health of a process: named components, each with a state. Clones share it.
///
/// A process is ready when it has components and each of them is ready: one that has registered
/// nothing yet has not started. It lives as long as no component is dead.
#[derive(Clone, Debug, Default)]
pub struct Health {
    components: Arc<Mutex<BTreeMap<String, State>>>,
}

/// How a component is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason")]
pub enum State {
    /// It does its work.
    #[serde(rename = "ready")]
    Ready,
    /// It cannot do its work now, and goes on trying.
    #[serde(rename = "not ready")]
    NotReady(String),
    /// It will not work again before the process is started anew.
    #[serde(rename = "dead")]
    Dead(String),
}

/// A component and its state, as shown on `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// The name that it was registered with.
    pub name: String,
    /// How it is.
    #[serde(flatten)]
    pub state: State,
}

impl Health {
    /// No components yet, thus not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a component, not ready at first. The same name gives the same component, whose
    /// state stays as it is.
    pub fn component(&self, name: impl Into<String>) -> HealthHandle {
        let name = name.into();
        self.lock()
            .entry(name.clone())
            .or_insert_with(|| State::NotReady("is starting".to_owned()));
        HealthHandle { health: self.clone(), name }
    }

    /// Every component, by name.
    pub fn components(&self) -> Vec<Component> {
        let components = self.lock();
        components
            .iter()
            .map(|(name, state)| Component { name: name.clone(), state: state.clone() })
            .collect()
    }

    /// Whether there is at least one component and each is ready.
    pub fn is_ready(&self) -> bool {
        let components = self.lock();
        !components.is_empty() && components.values().all(|state| *state == State::Ready)
    }

    /// Whether no component is dead.
    pub fn is_alive(&self) -> bool {
        !self.lock().values().any(|state| matches!(state, State::Dead(_)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        // A state is replaced whole, so a panic elsewhere leaves none half written.
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way for one component to tell how it is. Clones speak for the same component.
///
/// Dropping it changes nothing: a component that ended without a word keeps its last state.
#[derive(Clone, Debug)]
pub struct HealthHandle {
    health: Health,
    name: String,
}

impl HealthHandle {
    /// The component does its work.
    pub fn ready(&self) {
        self.set(State::Ready);
    }

    /// The component cannot do its work now, and goes on trying.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(State::NotReady(reason.into()));
    }

    /// The component is lost until the process is started anew. Nothing it says later changes that.
    pub fn dead(&self, reason: impl Into<String>) {
        self.set(State::Dead(reason.into()));
    }

    /// Follows a state that changes elsewhere, until it is dropped: ready where `reason` finds none against it.
    pub async fn follow<T>(self, mut states: watch::Receiver<T>, reason: fn(&T) -> Option<&str>) {
        loop {
            match reason(&states.borrow_and_update()) {
                None => self.ready(),
                Some(reason) => self.not_ready(reason),
            }
            if states.changed().await.is_err() {
                return;
            }
        }
    }

    fn set(&self, next: State) {
        let mut components = self.health.lock();
        let state = components
            .get_mut(&self.name)
            .expect("a handle exists only for a registered component");
        if !matches!(state, State::Dead(_)) {
            *state = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_components_is_not_ready_but_lives() {
        let health = Health::new();
        assert!(!health.is_ready());
        assert!(health.is_alive());
    }

    #[test]
    fn a_process_is_ready_when_each_component_is() {
        let health = Health::new();
        let (poller, fetcher) = (health.component("poller hq"), health.component("fetcher hq"));
        poller.ready();
        assert!(!health.is_ready());
        fetcher.ready();
        assert!(health.is_ready());
        poller.not_ready("the appliance does not answer");
        assert!(!health.is_ready());
        assert!(health.is_alive());
    }

    #[test]
    fn the_dead_stay_dead() {
        let health = Health::new();
        let poller = health.component("poller hq");
        poller.dead("the lock was taken over");
        poller.ready();
        assert!(!health.is_alive());
        assert_eq!(health.components()[0].state, State::Dead("the lock was taken over".to_owned()));
    }

    #[test]
    fn a_component_asked_for_again_keeps_its_state() {
        let health = Health::new();
        health.component("poller hq").ready();
        health.component("poller hq");
        assert!(health.is_ready());
    }
}
