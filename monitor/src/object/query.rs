//! Parameters in the query of a target and in forms (`application/x-www-form-urlencoded`).

use super::{
    names::Holds,
    reader::{NAME, Reader, VALUE},
};
use crate::percent;

impl Reader {
    /// Reads the parameters in `text`, parted by `&` or `;`.
    pub(super) fn parameters(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() && self.spend(1) {
            let end = memchr::memchr2(b'&', b';', rest).unwrap_or(rest.len());
            let parameter = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let Some(equals) = memchr::memchr(b'=', parameter) else { continue };
            let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
            if value.is_empty() {
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
        if self.graphql {
            match name {
                // Read by what they are already.
                b"query" | b"variables" | b"operationName" | b"extensions" => return,
                // A call with files: the rest of it is in this field.
                b"operations" => {
                    self.json(value);
                    return;
                }
                _ => {}
            }
        }
        if !self.spend(NAME) {
            return;
        }
        match self.names.judge(name, self.given_only) {
            Holds::Object | Holds::Page if !self.spend(VALUE) => {}
            Holds::Object => self.parameters.object(name, value),
            Holds::Page => self.parameters.page(name, value),
            // A document in a parameter: `filter={"where":{"id":17}}`.
            Holds::Nothing if matches!(value, [b'{', .., b'}'] | [b'[', .., b']']) => {
                self.scalars(value, usize::MAX);
            }
            Holds::Nothing => {}
        }
    }
}
