//! One entry in the form that journald reads: `systemd.journal-fields(7)`, and "Native Journal Protocol" of systemd's
//! documentation.

use std::{
    fs::File,
    io::{self, IoSlice, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixDatagram,
    },
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg},
    },
};

/// The fields of an entry.
#[derive(Debug, Default)]
pub(super) struct Entry(Vec<u8>);

impl Entry {
    /// Adds a field. `name` is in capitals, as journald wants it.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.0.push(b'\n');
            self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }

    /// Sends it as a datagram, or, if it is too large for one, as a file in memory.
    pub(super) fn send(&self, socket: &UnixDatagram, path: &Path) -> io::Result<()> {
        match socket.send_to(&self.0, path) {
            Err(error)
                if [Errno::EMSGSIZE, Errno::ENOBUFS]
                    .iter()
                    .any(|errno| error.raw_os_error() == Some(*errno as i32)) =>
            {
                self.send_sealed(socket, path)
            }
            sent => sent.map(drop),
        }
    }

    fn send_sealed(&self, socket: &UnixDatagram, path: &Path) -> io::Result<()> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create("rollcall-journal", flags)?);
        file.write_all(&self.0)?;
        // journald reads it only if nobody can change it any more.
        let seals =
            SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
        let descriptors = [file.as_raw_fd()];
        sendmsg(
            socket.as_raw_fd(),
            &[IoSlice::new(&[])],
            &[ControlMessage::ScmRights(&descriptors)],
            MsgFlags::empty(),
            Some(&UnixAddr::new(path)?),
        )?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_several_lines_has_its_length_before_it() {
        let mut entry = Entry::default();
        entry.add("A", "b=c");
        entry.add("MESSAGE", "x\nINJECTED=1");
        assert_eq!(entry.0, b"A=b=c\nMESSAGE\n\x0c\0\0\0\0\0\0\0x\nINJECTED=1\n");
    }
}
