//! Key logs: the secrets of recorded connections of TLS, in a file of their own or within a capture.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use rollcall_tls::{Secret, key_log};

use super::error::Error;

/// No line is longer: a label and two numbers have 210 bytes at most. Comments may be cut there.
const LINE_MAX: u64 = 4096;

/// Hands every secret in the key log at `path` to `each`.
pub fn read_key_log(path: &Path, mut each: impl FnMut(Secret)) -> Result<(), Error> {
    let name = || path.display().to_string();
    let failed = |source| Error::Read { path: name(), source };
    let mut input = BufReader::new(File::open(path).map_err(failed)?);
    let mut text = Vec::new();
    let mut line = 0;
    loop {
        text.clear();
        line += 1;
        if input.by_ref().take(LINE_MAX).read_until(b'\n', &mut text).map_err(failed)? == 0 {
            return Ok(());
        }
        if !text.ends_with(b"\n") {
            input.skip_until(b'\n').map_err(failed)?;
        }
        let secret = key_log::parse(&text).map_err(|source| Error::KeyLog { path: name(), line, source })?;
        secret.into_iter().for_each(&mut each);
    }
}

/// Hands every secret in the key log that a capture holds to `each`. Lines that hold none are passed over: they are no damage to
/// the capture.
pub(super) fn of_capture(text: &[u8], each: impl FnMut(Secret)) {
    text.split(|&byte| byte == b'\n').filter_map(|line| key_log::parse(line).ok().flatten()).for_each(each);
}
