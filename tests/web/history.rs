//! The security history: one's own events, successes and failures, and nobody else's.
