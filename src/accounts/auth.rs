//! The service's front door: what it needs to do its work; each capability adds its methods.

use std::sync::Arc;

use diesel::result::Error as QueryError;

use super::place::Places;
use super::{AccountsConfig, Hasher, mailed_token};
use crate::audit::Journal;
use crate::clock::Timestamp;
use crate::db::{Db, DbError};
use crate::mail::messages::{Message, Recipient};
use crate::mail::worker::Bell;
use crate::mail::{Letter, Messages, Outbox, outbox};
use crate::tokens::Sealer;

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
    pub(super) journal: Journal,
    /// Seals forms that wait for a proof.
    pub(super) forms: Sealer,
    pub(super) places: Places,
}

/// How mails are written, and whom they wake.
pub struct Post {
    pub outbox: Outbox,
    pub messages: Arc<Messages>,
    pub bell: Bell,
}

impl Auth {
    pub fn new(
        db: Db,
        hasher: Hasher,
        post: Post,
        config: AccountsConfig,
        journal: Journal,
        forms: Sealer,
        places: Places,
    ) -> Self {
        let Post { outbox, messages, bell } = post;
        Self { db, hasher, outbox, messages, config, bell, journal, forms, places }
    }

    /// Where events are written.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How many passwords wait to be hashed.
    pub fn waiting_hashes(&self) -> usize {
        self.hasher.waiting()
    }

    /// Forgets mailed tokens that have expired; returns how many.
    pub async fn purge_tokens(&self, now: Timestamp) -> Result<usize, DbError> {
        self.db.write_in_batches(move |conn| Ok(mailed_token::purge(conn, now)?)).await
    }

    /// Forgets old events; returns how many.
    pub async fn purge_events(&self, now: Timestamp) -> Result<usize, DbError> {
        Journal::purge(&self.db, now).await
    }

    /// How many mails have not left yet.
    pub async fn waiting_mails(&self) -> Result<i64, DbError> {
        self.db.read(|conn| outbox::count_waiting(conn).map_err(DbError::from)).await
    }

    /// A letter for the transaction that has just made its link: a template that cannot be filled
    /// in takes the link back.
    pub(super) fn written<'a, M: Message>(
        &self,
        to: impl Into<Recipient<'a>>,
        message: &M,
    ) -> Result<Letter, DbError> {
        self.messages
            .write(to, message)
            .map_err(|error| DbError::Query(QueryError::SerializationError(Box::new(error))))
    }

    pub fn config(&self) -> &AccountsConfig {
        &self.config
    }
}
