//! The alert log: each alert is one JSON line, written at once.

use serde::Serialize;

use super::sink::{LogError, Sink};

/// Writes alerts to a [`Sink`] as JSON lines.
pub struct AlertLog {
    sink: Box<dyn Sink>,
    buffer: Vec<u8>,
}

impl AlertLog {
    /// A log whose lines go to `sink`.
    pub fn new(sink: Box<dyn Sink>) -> AlertLog {
        AlertLog { sink, buffer: Vec::new() }
    }

    /// Writes one alert, and does not wait for others to join it.
    pub fn write(&mut self, alert: &impl Serialize) {
        if let Err(error) = serde_json::to_writer(&mut self.buffer, alert) {
            // Alerts are plain data with string keys; a type that does not serialise is a defect, not a reason
            // to stop watching.
            tracing::error!(%error, "an alert does not serialise");
            self.buffer.clear();
            return;
        }
        self.buffer.push(b'\n');
        self.sink.put(&mut self.buffer, 1);
    }

    /// Writes everything, and tells whether every line reached its file.
    pub fn finish(self) -> Result<(), LogError> {
        self.sink.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::LineFile;

    #[test]
    fn each_alert_is_in_the_file_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts");
        let mut log = AlertLog::new(Box::new(LineFile::open(&path).unwrap()));
        log.write(&serde_json::json!({"v": 1}));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"v\":1}\n");
        log.write(&serde_json::json!({"v": 2}));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"v\":1}\n{\"v\":2}\n");
        log.finish().unwrap();
    }
}
