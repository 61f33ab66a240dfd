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
    connection::{self, CLIENT, Connection, IGNORED, LISTENER, LONG, NOT_HTTP, SERVER, STATE_LISTEN, Socket},
    counters,
    maps::{note_server, port_watched, serves},
    packet::{self, Packet},
    ring, sampling,
};

/// What becomes of a packet that arrives.
#[inline(always)]
pub fn packet(ctx: &SkBuffContext) -> Outcome {
    match try_packet(ctx) {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

#[inline(always)]
fn try_packet(ctx: &SkBuffContext) -> Result<Outcome, Outcome> {
    let packet = packet::parse(ctx)?;
    if packet.length == 0 && !packet.has(FLAG_SYN | FLAG_FIN | FLAG_RST) {
        return Err(Outcome::NoPayload);
    }
    if !port_watched(packet.destination_port) {
        return Err(Outcome::PortFiltered);
    }
    if !packet.has(FLAG_SYN) && !serves(packet.destination_port) {
        at_first_sight(ctx, &packet)?;
    }
    let socket = Socket::of(ctx).ok_or(Outcome::NoSocket)?;
    if socket.state() == STATE_LISTEN {
        return Ok(listener(ctx, &packet, socket));
    }
    Ok(established(ctx, &packet, socket))
}

/// Settles by its first bytes alone, where they allow it, what a packet is that comes to a port on which no server
/// has been seen.
#[inline(always)]
fn at_first_sight(ctx: &SkBuffContext, packet: &Packet) -> Result<(), Outcome> {
    match packet.first_word(ctx) {
        _ if packet.length == 0 => Err(Outcome::NoPayload),
        Some(word) if probe::is_response(word) => Err(Outcome::ClientSide),
        Some(word) if !probe::may_be_request(word) => Err(Outcome::NotHttp),
        _ => Ok(()),
    }
}

/// At a listening socket: remember it, so that what it accepts is known; and take data that comes early.
#[inline(always)]
fn listener(ctx: &SkBuffContext, packet: &Packet, socket: Socket) -> Outcome {
    if socket.connection().is_none() && socket.remember(LISTENER, false).is_none() {
        return no_memory(ctx);
    }
    note_server(packet.destination_port);
    if packet.length == 0 {
        return Outcome::NoPayload;
    }
    if packet.first_word(ctx).is_some_and(probe::is_tls) {
        return Outcome::NotHttp;
    }
    let context = ring::Context {
        connection: connection::cookie(ctx),
        flags: FLAG_LISTENER | FLAG_AFTER_RESPONSE,
        received: 0,
        sent: 0,
        sampling: sampling::ALL,
    };
    lost_if_full(ring::submit(ctx, packet, &context, ring::WHOLE), true)
}

#[inline(always)]
fn established(ctx: &SkBuffContext, packet: &Packet, socket: Socket) -> Outcome {
    let connection = match socket.connection() {
        Some(connection) => connection,
        // Older than the programs, and perhaps amid a body. Only text or a PROXY header makes a
        // server of it, and nothing that the other end sends makes it a client for good: TCP may drop what we see.
        None => {
            if let Err(outcome) = at_first_sight(ctx, packet) {
                return outcome;
            }
            note_server(packet.destination_port);
            match socket.remember(SERVER, true) {
                Some(connection) => connection,
                None => return no_memory(ctx),
            }
        }
    };
    if connection.role == CLIENT {
        return Outcome::ClientSide;
    }
    if let Some(outcome) = connection.left_alone()
        && !packet.first_word(ctx).is_some_and(probe::begins_request)
    {
        return outcome;
    }
    // TCP takes no data from a SYN once the connection stands.
    if packet.has(FLAG_SYN) { Outcome::NoPayload } else { server(ctx, packet, socket, connection) }
}

#[inline(always)]
fn server(ctx: &SkBuffContext, packet: &Packet, socket: Socket, connection: &mut Connection) -> Outcome {
    if packet.length == 0 && connection.announced == 0 {
        return Outcome::NoPayload;
    }
    let cookie = connection::cookie(ctx);
    let (received, sent) = socket.positions();
    let mut after_response = false;
    let mut limit = ring::WHOLE;
    let mut rate = sampling::ALL;
    if packet.length != 0 {
        let is_left_alone = connection.left_alone().is_some();
        if connection.role == LISTENER {
            // The daemon is shown the bytes that say so.
            let tls = packet.first_word(ctx).is_some_and(probe::is_tls);
            connection.role = if tls { NOT_HTTP } else { SERVER };
        }
        // Answers of a connection that is left alone are not looked at.
        after_response =
            connection.packets == 0 && connection.joined == 0 || connection.responded != 0 || is_left_alone;
        connection.responded = 0;
        connection.packets = connection.packets.wrapping_add(1);
        expect_answer(connection, packet.length, after_response);
        if advice::due(connection) {
            advice::take(cookie, connection);
            if connection.role == IGNORED && !packet.first_word(ctx).is_some_and(probe::begins_request) {
                return Outcome::Ignored;
            }
        }
        // Once the server has answered, what comes may be a request: it need not have read the body.
        if connection.skipping != 0 && !after_response {
            let end = packet.seq.wrapping_add(packet.length);
            if (end.wrapping_sub(connection.mark) as i32) <= 0 {
                return Outcome::SkippedBody;
            }
            connection.skipping = 0;
        }
        if connection.unanswered > BULK && (connection.unanswered > BUDGET || ring::is_filling()) {
            limit = ring::START;
        }
        if after_response {
            rate = match sampling::judge(ctx, packet) {
                Some(rate) => rate,
                None => {
                    connection.sampled_out = 1;
                    return Outcome::SampledOut;
                }
            };
            connection.sampled_out = 0;
        }
        connection.unconfirmed = 1;
        connection.unanswered = connection.unanswered.saturating_add(packet.length);
    }
    connection.announced = 1;
    let context = ring::Context {
        connection: cookie,
        flags: (FLAG_AFTER_RESPONSE * u16::from(after_response))
            | (FLAG_JOINED * u16::from(connection.joined)),
        received,
        sent,
        sampling: rate,
    };
    match lost_if_full(ring::submit(ctx, packet, &context, limit), after_response) {
        Outcome::Submitted if limit == ring::START && packet.length > ring::START => Outcome::OverBudget,
        outcome => outcome,
    }
}

/// Bytes that are captured of what one connection sends without an answer. Four times what nginx takes for a body,
/// so that what follows a chunked one is found too.
const BUDGET: u32 = 4 << 20;
/// The same while the ring is filling: bodies must not push out heads.
const BULK: u32 = 64 << 10;

/// Requests for which a suspicion lasts: by then the daemon has had its say.
const SUSPICION: u8 = 64;

/// Answers to pipelined requests may share a packet, where the usual start of it shows the first one only. The
/// daemon sees that a client pipelines and advises, but the first answers may be gone by then. So a connection's
/// first answer is captured whole, and those to what may be several requests: what is left of their share goes on when more is
/// asked before they are through.
///
/// A function of its own: in line, its branches multiply those of what follows, and the verifier of 5.10 gives up.
#[inline(never)]
fn expect_answer(connection: &mut Connection, length: u32, after_response: bool) {
    let left = connection.budget.saturating_sub(connection.answered);
    connection.answered = 0;
    if (!after_response || length > LONG) && connection.suspicion < SUSPICION {
        connection.suspicion = SUSPICION;
    } else if connection.packets > 1 && connection.suspicion > 0 {
        connection.suspicion -= 1;
    }
    connection.suspect(connection.unanswered.saturating_add(length));
    if connection.budget < left {
        connection.budget = left;
    }
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
