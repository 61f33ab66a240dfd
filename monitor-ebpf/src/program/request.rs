//! Ingress: from a packet to an outcome.

use aya_ebpf::programs::SkBuffContext;
use aya_log_ebpf::warn;
use monitor_ebpf::{
    outcome::Outcome,
    probe,
    record::{FLAG_AFTER_RESPONSE, FLAG_FIN, FLAG_JOINED, FLAG_LISTENER, FLAG_RST, FLAG_SYN},
};

use super::{
    advice,
    connection::{self, CLIENT, Connection, IGNORED, LISTENER, NOT_HTTP, SERVER, STATE_LISTEN, Socket},
    counters,
    maps::{budget, port_watched},
    packet::{self, Packet},
    ring, sampling,
};

/// What becomes of a packet that arrives.
#[inline(always)]
pub fn packet(ctx: &SkBuffContext) -> Outcome {
    match packet::parse(ctx) {
        Err(outcome) => outcome,
        Ok(packet) if packet.length == 0 && !packet.has(FLAG_SYN | FLAG_FIN | FLAG_RST) => Outcome::NoPayload,
        Ok(packet) if !port_watched(packet.destination_port) => Outcome::PortFiltered,
        Ok(packet) => match Socket::of(ctx) {
            None => Outcome::NoSocket,
            Some(socket) if socket.state() == STATE_LISTEN => listener(ctx, &packet, socket),
            Some(socket) => established(ctx, &packet, socket),
        },
    }
}

/// At a listening socket: remember it, so that what it accepts is known; and take data that comes early.
#[inline(always)]
fn listener(ctx: &SkBuffContext, packet: &Packet, socket: Socket) -> Outcome {
    if socket.connection().is_none() && socket.remember(LISTENER, false).is_none() {
        return no_memory(ctx);
    }
    if packet.length == 0 {
        return Outcome::NoPayload;
    }
    if packet.first_word(ctx).is_some_and(|word| !probe::may_be_request(word)) {
        return Outcome::NotHttp;
    }
    let context = ring::Context {
        connection: connection::cookie(ctx),
        flags: FLAG_LISTENER | FLAG_AFTER_RESPONSE,
        received: 0,
        sent: 0,
    };
    lost_if_full(ring::submit(ctx, packet, &context), true)
}

#[inline(always)]
fn established(ctx: &SkBuffContext, packet: &Packet, socket: Socket) -> Outcome {
    let connection = match socket.connection() {
        Some(connection) => connection,
        // Older than the programs. Its first payload shows which end this is.
        None if packet.length == 0 => return Outcome::NoPayload,
        None => {
            let (role, outcome) = match packet.first_word(ctx) {
                Some(word) if probe::is_response(word) => (CLIENT, Outcome::ClientSide),
                Some(word) if !probe::may_be_request(word) => (NOT_HTTP, Outcome::NotHttp),
                _ => (SERVER, Outcome::Submitted),
            };
            match socket.remember(role, true) {
                None => return no_memory(ctx),
                Some(connection) if role == SERVER => connection,
                Some(_) => return outcome,
            }
        }
    };
    match connection.role {
        CLIENT => Outcome::ClientSide,
        NOT_HTTP => Outcome::NotHttp,
        IGNORED => Outcome::Ignored,
        _ => server(ctx, packet, socket, connection),
    }
}

#[inline(always)]
fn server(ctx: &SkBuffContext, packet: &Packet, socket: Socket, connection: &mut Connection) -> Outcome {
    connection.role = SERVER;
    if packet.length == 0 && connection.announced == 0 {
        return Outcome::NoPayload;
    }
    let cookie = connection::cookie(ctx);
    let first = connection.packets == 0;
    if packet.length != 0 {
        if first && packet.first_word(ctx).is_some_and(|word| !probe::may_be_request(word)) {
            connection.role = NOT_HTTP;
            return Outcome::NotHttp;
        }
        connection.packets = connection.packets.wrapping_add(1);
        if advice::due(connection) {
            advice::take(cookie, connection);
            if connection.role == IGNORED {
                return Outcome::Ignored;
            }
        }
        if connection.skipping != 0 {
            let end = packet.seq.wrapping_add(packet.length);
            if (end.wrapping_sub(connection.skip_to) as i32) <= 0 {
                return Outcome::SkippedBody;
            }
            connection.skipping = 0;
        }
        if connection.unanswered > budget() {
            return Outcome::OverBudget;
        }
    }
    let after_response = first || connection.responded != 0;
    if after_response && packet.length != 0 {
        connection.responded = 0;
        if sampling::leaves_out(ctx, packet) {
            connection.sampled_out = 1;
            return Outcome::SampledOut;
        }
        connection.sampled_out = 0;
    }
    connection.announced = 1;
    connection.unconfirmed = u8::from(packet.length != 0);
    connection.unanswered = connection.unanswered.wrapping_add(packet.length);
    let (received, sent) = socket.positions();
    let context = ring::Context {
        connection: cookie,
        flags: FLAG_AFTER_RESPONSE * u16::from(after_response) | FLAG_JOINED * u16::from(connection.joined),
        received,
        sent,
    };
    lost_if_full(ring::submit(ctx, packet, &context), after_response && packet.length != 0)
}

#[inline(always)]
fn lost_if_full(outcome: Outcome, begins_request: bool) -> Outcome {
    if matches!(outcome, Outcome::RingFull) && begins_request {
        counters::request_lost();
    }
    outcome
}

/// Says so once: an operator must know, and a flood must not fill the log.
#[inline(always)]
fn no_memory(ctx: &SkBuffContext) -> Outcome {
    if let Some(control) = ring::control()
        && control.warned == 0
    {
        control.warned = 1;
        warn!(
            ctx,
            "the kernel refuses memory for connection state (net.core.optmem_max): their requests are not seen"
        );
    }
    Outcome::NoMemory
}
