//! The engine.

pub mod detection;
