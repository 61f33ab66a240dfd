//! The kernel as a source of segments: the only module that knows aya.
