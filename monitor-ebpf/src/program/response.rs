//! Egress: from a packet to an outcome.

use aya_ebpf::programs::SkBuffContext;
use monitor_ebpf::{
    outcome::Outcome,
    probe,
    record::{ENTRY_DATA, FLAG_ACK, FLAG_FIN, FLAG_JOINED, FLAG_RESPONSE, FLAG_RST, FLAG_SYN},
};

use super::{
    advice, batch,
    connection::{self, CLIENT, Connection, SERVER, STATE_LISTEN, Socket},
    maps::{note_server, port_watched, serves},
    packet::{self, Packet},
    ring, sampling,
};

/// What becomes of a packet that leaves.
#[inline(always)]
pub fn packet(ctx: &SkBuffContext) -> Outcome {
    match try_packet(ctx) {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

#[inline(always)]
fn try_packet(ctx: &SkBuffContext) -> Result<Outcome, Outcome> {
    let packet = packet::parse(ctx)?;
    if packet.has(FLAG_SYN) {
        return Ok(open(ctx, &packet));
    }
    if !port_watched(packet.source_port) {
        return Err(Outcome::PortFiltered);
    }
    if !serves(packet.source_port) {
        at_first_sight(ctx, &packet)?;
    }
    let socket = Socket::of(ctx).ok_or(Outcome::NoSocket)?;
    Ok(established(ctx, &packet, socket))
}

/// From a port on which no server has been seen, only a response's beginning shows that there is one.
#[inline(always)]
fn at_first_sight(ctx: &SkBuffContext, packet: &Packet) -> Result<(), Outcome> {
    match packet.first_word(ctx) {
        _ if packet.length == 0 => Err(Outcome::NoPayload),
        Some(word) if probe::is_response(word) => Ok(()),
        _ => Err(Outcome::ClientSide),
    }
}

/// A SYN: whoever sends one without ACK is a client.
#[inline(always)]
fn open(ctx: &SkBuffContext, packet: &Packet) -> Outcome {
    if !packet.has(FLAG_ACK)
        && let Some(socket) = Socket::of(ctx)
        // Failure leaves the role to the first payload.
        && socket.remember(CLIENT, false).is_some()
        && packet.length != 0
    {
        return Outcome::ClientSide;
    }
    Outcome::NoPayload
}

#[inline(always)]
fn established(ctx: &SkBuffContext, packet: &Packet, socket: Socket) -> Outcome {
    let connection = match socket.connection() {
        Some(connection) => connection,
        // Older than the programs.
        None => {
            if let Err(outcome) = at_first_sight(ctx, packet) {
                return outcome;
            }
            note_server(packet.source_port);
            match socket.remember(SERVER, true) {
                Some(connection) => connection,
                None => return Outcome::NoMemory,
            }
        }
    };
    if connection.role == CLIENT {
        return Outcome::ClientSide;
    }
    if let Some(outcome) = connection.left_alone() {
        if packet.first_word(ctx).is_some_and(probe::is_response) {
            // It speaks HTTP/1 after all.
            connection.role = SERVER;
        } else if connection.unconfirmed == 0 {
            return outcome;
        }
    }
    if socket.state() == STATE_LISTEN { Outcome::NoPayload } else { server(ctx, packet, socket, connection) }
}

#[inline(always)]
fn server(ctx: &SkBuffContext, packet: &Packet, socket: Socket, connection: &mut Connection) -> Outcome {
    if packet.length != 0 {
        if connection.packets == 0 && connection.answered == 0 && connection.joined == 0 {
            // The request came with the handshake, where it is not counted.
            connection.suspect(socket.received());
        }
        connection.responded = 1;
        connection.unanswered = 0;
        connection.answered = connection.answered.saturating_add(packet.length);
    } else if !packet.has(FLAG_FIN | FLAG_RST) && connection.unconfirmed == 0 || connection.announced == 0 {
        return Outcome::NoPayload;
    }
    connection.unconfirmed = 0;
    if connection.sampled_out != 0 {
        return Outcome::SampledOut;
    }
    let cookie = connection::cookie(ctx);
    let suspect = if connection.suspicion == 0 { 0 } else { connection.budget };
    let is_more = packet.length > ENTRY_DATA as u32;
    if is_more && connection.whole == 0 && connection.answered >= suspect && connection.asked_much() {
        // By now the daemon may know that these are answers to several requests.
        advice::take(cookie, connection);
    }
    let whole = is_more && (connection.whole != 0 || connection.answered < suspect);
    // A connection that the daemon has not heard of needs both ends named: its request came with the
    // handshake's last ACK, to the listener.
    if connection.announced != 0
        && !whole
        && let Some(outcome) = batch::add(ctx, packet, cookie)
    {
        return outcome;
    }
    connection.announced = 1;
    let context = ring::Context {
        connection: cookie,
        flags: FLAG_RESPONSE | (FLAG_JOINED * u16::from(connection.joined)),
        received: 0,
        sent: 0,
        sampling: sampling::ALL,
    };
    ring::submit(ctx, packet, &context, ring::WHOLE)
}
