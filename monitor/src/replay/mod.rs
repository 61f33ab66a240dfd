//! Capture files as a source of segments.
