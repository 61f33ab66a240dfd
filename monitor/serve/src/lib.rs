//! What the daemon answers when it is asked: metrics, the status page and the interface behind it, health.
//!
//! Everything is collected at the moment somebody asks ([`api`]) and served by [`web`].

pub mod api;
pub mod health;
pub mod web;
