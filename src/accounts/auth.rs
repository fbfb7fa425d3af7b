//! The service's front door: what it needs to do its work; each capability adds its methods.

use std::sync::Arc;

use super::{AccountsConfig, Hasher};
use crate::db::Db;
use crate::mail::worker::Bell;
use crate::mail::{Messages, Outbox};

/// Everything that accounts can do is a method of this. Clones share what is inside.
#[derive(Clone)]
pub struct Auth {
    pub(crate) db: Db,
    pub(super) hasher: Hasher,
    pub(super) outbox: Outbox,
    pub(super) messages: Arc<Messages>,
    pub(super) config: AccountsConfig,
    /// Wakes the mail worker.
    pub(super) bell: Bell,
}

impl Auth {
    pub fn new(
        db: Db,
        hasher: Hasher,
        outbox: Outbox,
        messages: Arc<Messages>,
        config: AccountsConfig,
        bell: Bell,
    ) -> Self {
        Self { db, hasher, outbox, messages, config, bell }
    }

    pub fn config(&self) -> &AccountsConfig {
        &self.config
    }
}
