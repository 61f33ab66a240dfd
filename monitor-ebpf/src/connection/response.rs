//! Packets that leave a socket.

use super::{Capture, Connection, Host, Role, Socket, Verdict, WHOLE};
use crate::{
    outcome::Outcome,
    packet::Packet,
    probe,
    record::{ENTRY_DATA, FLAG_ACK, FLAG_FIN, FLAG_JOINED, FLAG_RESPONSE, FLAG_RST, FLAG_SYN},
    sample,
};

/// What becomes of a packet that leaves.
#[inline(always)]
pub fn leaves<'a>(packet: &Packet, host: &impl Host<'a>) -> Verdict {
    if packet.has(FLAG_SYN) {
        return Err(open(packet, host));
    }
    if !host.is_watched(packet.source_port) {
        return Err(Outcome::PortFiltered);
    }
    if !host.serves(packet.source_port) {
        at_first_sight(packet, host)?;
    }
    let socket = host.socket().ok_or(Outcome::NoSocket)?;
    established(packet, host, &socket)
}

/// From a port on which no server has been seen, only a response's beginning shows that there is one.
#[inline(always)]
fn at_first_sight<'a>(packet: &Packet, host: &impl Host<'a>) -> Result<(), Outcome> {
    match host.first_word(packet) {
        _ if packet.length == 0 => Err(Outcome::NoPayload),
        Some(word) if probe::is_response(word) => Ok(()),
        _ => Err(Outcome::ClientSide),
    }
}

/// A SYN: whoever sends one without ACK is a client.
#[inline(always)]
fn open<'a>(packet: &Packet, host: &impl Host<'a>) -> Outcome {
    if !packet.has(FLAG_ACK)
        && let Some(socket) = host.socket()
        // Failure leaves the role to the first payload.
        && socket.remember(Connection::new(Role::Client, false, 0)).is_some()
        && packet.length != 0
    {
        return Outcome::ClientSide;
    }
    Outcome::NoPayload
}

#[inline(always)]
fn established<'a>(packet: &Packet, host: &impl Host<'a>, socket: &impl Socket<'a>) -> Verdict {
    let connection = match socket.connection() {
        Some(connection) => connection,
        // Older than the programs.
        None => {
            at_first_sight(packet, host)?;
            host.note_server(packet.source_port);
            socket.remember(Connection::new(Role::Server, true, socket.cgroup())).ok_or(Outcome::NoMemory)?
        }
    };
    if connection.role == Role::Client {
        return Err(Outcome::ClientSide);
    }
    if let Some(outcome) = connection.left_alone() {
        if host.first_word(packet).is_some_and(probe::is_response) {
            // It speaks HTTP/1 after all.
            connection.role = Role::Server;
        } else if connection.unconfirmed == 0 {
            return Err(outcome);
        }
    }
    if socket.is_listening() { Err(Outcome::NoPayload) } else { server(packet, host, socket, connection) }
}

#[inline(always)]
fn server<'a>(
    packet: &Packet,
    host: &impl Host<'a>,
    socket: &impl Socket<'a>,
    connection: &mut Connection,
) -> Verdict {
    if packet.length != 0 {
        if connection.packets == 0 && connection.answered == 0 && connection.joined == 0 {
            // The request came with the handshake, where it is not counted.
            connection.suspect(socket.received());
        }
        connection.responded = 1;
        connection.unanswered = 0;
        connection.answered = connection.answered.saturating_add(packet.length);
    } else if !packet.has(FLAG_FIN | FLAG_RST) && connection.unconfirmed == 0 || connection.announced == 0 {
        return Err(Outcome::NoPayload);
    }
    connection.unconfirmed = 0;
    if connection.sampled_out != 0 {
        return Err(Outcome::SampledOut);
    }
    let cookie = socket.cookie();
    let suspect = if connection.suspicion == 0 { 0 } else { connection.budget };
    let is_more = packet.length > ENTRY_DATA as u32;
    if is_more
        && connection.whole == 0
        && connection.answered >= suspect
        && connection.asked_much()
        // By now the daemon may know that these are answers to several requests.
        && let Some(advice) = host.advice(cookie)
    {
        connection.follow(advice);
    }
    let whole = is_more && (connection.whole != 0 || connection.answered < suspect);
    // A connection that the daemon has not heard of needs both ends named: its request came with the
    // handshake's last ACK, to the listener.
    let batch = connection.announced != 0 && !whole;
    if connection.announced == 0 {
        connection.announced = 1;
    }
    Ok(Capture {
        connection: cookie,
        cgroup: connection.cgroup,
        flags: FLAG_RESPONSE | (FLAG_JOINED * u16::from(connection.joined)),
        received: 0,
        sent: 0,
        sampling: sample::ALL,
        limit: WHOLE,
        batch,
    })
}
