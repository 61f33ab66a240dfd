//! Parameters in the query of a target and in forms (`application/x-www-form-urlencoded`).

use super::{
    names::{Holds, LONGEST_NAME},
    reader::Reader,
};
use crate::percent;

impl Reader {
    /// Reads the parameters in `text`, parted by `&` or `;`.
    pub(super) fn parameters(&mut self, text: &[u8]) {
        for parameter in text.split(|byte| b"&;".contains(byte)) {
            let Some(equals) = memchr::memchr(b'=', parameter) else { continue };
            let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
            if value.is_empty() || name.len() > 3 * LONGEST_NAME {
                continue;
            }
            if memchr::memchr(b'%', parameter).is_none() {
                self.take(name, value);
                continue;
            }
            let mut decoded = std::mem::take(&mut self.decoded);
            decoded.clear();
            percent::decode(name, &mut decoded);
            let middle = decoded.len();
            percent::decode(value, &mut decoded);
            let (name, value) = decoded.split_at(middle);
            self.take(name, value);
            self.decoded = decoded;
        }
    }

    /// A parameter as it is meant.
    pub(super) fn take(&mut self, name: &[u8], value: &[u8]) {
        match self.names.judge(name, self.given_only) {
            Holds::Object => self.parameters.object(name, value),
            Holds::Page => self.parameters.page(name, value),
            Holds::Nothing => {}
        }
    }
}
