//! Egress: from a packet to an outcome.

use aya_ebpf::programs::SkBuffContext;
use monitor_ebpf::{
    outcome::Outcome,
    probe,
    record::{ENTRY_DATA, FLAG_ACK, FLAG_FIN, FLAG_JOINED, FLAG_RESPONSE, FLAG_RST, FLAG_SYN},
};

use super::{
    batch,
    connection::{self, CLIENT, Connection, IGNORED, NOT_HTTP, SERVER, STATE_LISTEN, Socket},
    maps::port_watched,
    packet::{self, Packet},
    ring,
};

/// What becomes of a packet that leaves.
#[inline(always)]
pub fn packet(ctx: &SkBuffContext) -> Outcome {
    match packet::parse(ctx) {
        Err(outcome) => outcome,
        Ok(packet) if packet.has(FLAG_SYN) => open(ctx, &packet),
        Ok(packet) if !port_watched(packet.source_port) => Outcome::PortFiltered,
        Ok(packet) => match Socket::of(ctx) {
            None => Outcome::NoSocket,
            Some(socket) => established(ctx, &packet, socket),
        },
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
        // Older than the programs: only a response's beginning shows that this is the server.
        None if packet.length == 0 => return Outcome::NoPayload,
        None if !packet.first_word(ctx).is_some_and(probe::is_response) => return Outcome::ClientSide,
        None => match socket.remember(SERVER, true) {
            Some(connection) => connection,
            None => return Outcome::NoMemory,
        },
    };
    match connection.role {
        CLIENT => Outcome::ClientSide,
        NOT_HTTP if connection.settled != 0 => Outcome::NotHttp,
        IGNORED => Outcome::Ignored,
        _ if socket.state() == STATE_LISTEN => Outcome::NoPayload,
        _ => server(ctx, packet, connection),
    }
}

/// Response bytes captured whole on suspicion: as much as the answers to one packet of pipelined requests come to.
const SUSPECT: u32 = 16 * 1024;

#[inline(always)]
fn server(ctx: &SkBuffContext, packet: &Packet, connection: &mut Connection) -> Outcome {
    if packet.length != 0 {
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
    let whole = packet.length > ENTRY_DATA as u32
        && (connection.whole != 0 || connection.suspicion != 0 && connection.answered < SUSPECT);
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
        flags: FLAG_RESPONSE | FLAG_JOINED * u16::from(connection.joined),
        received: 0,
        sent: 0,
    };
    ring::submit(ctx, packet, &context)
}
