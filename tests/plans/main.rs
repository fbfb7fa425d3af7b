//! What the databases do for each query: no table that grows is read as a whole.

mod explain; // what a database says it would do, and what of that is too much
mod place; // a database of either kind, for one test
mod record; // which statements were asked, and by which line of the source
mod tour; // every query of the service, once at least

mod batches; // long deletions let others write in between
mod queries; // every query's plan
mod seed; // `gatehouse dev seed`
