//! Where alerts, exchanges and metrics leave the daemon.
