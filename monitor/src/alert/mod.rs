//! Findings become alerts with a life: open, update, resolved.
