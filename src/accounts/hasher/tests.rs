//! The pool: who is hashed with whom, and that everybody gets their own answer.
