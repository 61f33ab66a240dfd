//! Columns parted by tabs, which the first line names.

use super::{
    Unread,
    fields::Fields,
    names::{self, Field},
};

/// What each column is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns(Vec<Option<(Field, u8)>>);

impl Columns {
    /// The columns that `header` names, or what none of them is about and has to be.
    pub(super) fn of(header: &[u8]) -> Result<Columns, &'static str> {
        let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
        let header = header.strip_prefix(b"#fields\t").or(header.strip_prefix(b"#")).unwrap_or(header);
        let mut columns: Vec<_> =
            header.split(|byte| *byte == b'\t').map(|name| names::find(name.trim_ascii())).collect();
        let has =
            |columns: &[Option<(Field, u8)>], field| columns.iter().flatten().any(|column| column.0 == field);
        if !has(&columns, Field::Client) {
            // Where nobody else is named, the host is the one that called.
            for (field, _) in columns.iter_mut().flatten().filter(|column| column.0 == Field::Host) {
                *field = Field::Client;
            }
        }
        if !has(&columns, Field::Client) && !has(&columns, Field::Forwarded) {
            return Err("the client (such as client_ip, remote_addr or host)");
        }
        if !has(&columns, Field::Time) {
            return Err("the time (such as time, ts or timestamp)");
        }
        if !has(&columns, Field::Target) && !has(&columns, Field::RequestLine) {
            return Err("the target (such as target, uri, url or path)");
        }
        Ok(Columns(columns))
    }

    /// Reads one line below the header.
    pub(super) fn read(&self, line: &[u8], fields: &mut Fields) -> Result<(), Unread> {
        let mut count = 0;
        for (value, column) in line.split(|byte| *byte == b'\t').zip(&self.0) {
            count += 1;
            if let Some((field, rank)) = *column {
                fields.set(field, rank, |out| out.extend_from_slice(value.trim_ascii()));
            }
        }
        if count < 2 { Err(Unread::Format) } else { Ok(()) }
    }
}
