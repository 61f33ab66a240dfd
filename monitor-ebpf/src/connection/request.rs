//! Packets that arrive at a socket.

use super::{Capture, Connection, Host, LONG, Role, START, Socket, Verdict, WHOLE};
use crate::{
    outcome::Outcome,
    packet::Packet,
    probe,
    record::{FLAG_AFTER_RESPONSE, FLAG_FIN, FLAG_JOINED, FLAG_LISTENER, FLAG_RST, FLAG_SYN},
    sample::{self, Sampled},
};

/// Bytes that are captured of what one connection sends without an answer. Four times what nginx takes for a body,
/// so that what follows a chunked one is found too.
const BUDGET: u32 = 4 << 20;
/// The same while the ring is filling: bodies must not push out heads.
const BULK: u32 = 64 << 10;

/// Requests for which a suspicion lasts: by then the daemon has had its say.
const SUSPICION: u8 = 64;

/// What becomes of a packet that arrives.
#[inline(always)]
pub fn arrives<'a>(packet: &Packet, host: &impl Host<'a>) -> Verdict {
    if packet.length == 0 && !packet.has(FLAG_SYN | FLAG_FIN | FLAG_RST) {
        return Err(Outcome::NoPayload);
    }
    if !host.is_watched(packet.destination_port) {
        return Err(Outcome::PortFiltered);
    }
    if !packet.has(FLAG_SYN) && !host.serves(packet.destination_port) {
        at_first_sight(packet, host)?;
    }
    let socket = host.socket().ok_or(Outcome::NoSocket)?;
    if socket.is_listening() { listening(packet, host, &socket) } else { established(packet, host, &socket) }
}

/// Settles by its first bytes alone, where they allow it, what a packet is that comes to a port on which no server
/// has been seen.
#[inline(always)]
fn at_first_sight<'a>(packet: &Packet, host: &impl Host<'a>) -> Result<(), Outcome> {
    match host.first_word(packet) {
        _ if packet.length == 0 => Err(Outcome::NoPayload),
        Some(word) if probe::is_response(word) => Err(Outcome::ClientSide),
        Some(word) if !probe::may_be_request(word) => Err(Outcome::NotHttp),
        _ => Ok(()),
    }
}

/// At a listening socket: remember it, so that what it accepts is known; and take data that comes early.
#[inline(always)]
fn listening<'a>(packet: &Packet, host: &impl Host<'a>, socket: &impl Socket<'a>) -> Verdict {
    let connection = match socket.connection() {
        Some(connection) => connection,
        None => {
            let connection = Connection::new(Role::Listener, false, socket.cgroup());
            socket.remember(connection).ok_or(Outcome::NoMemory)?
        }
    };
    host.note_server(packet.destination_port);
    if packet.length == 0 {
        return Err(Outcome::NoPayload);
    }
    if host.first_word(packet).is_some_and(probe::is_tls) && !host.reads_tls() {
        return Err(Outcome::NotHttp);
    }
    Ok(Capture {
        connection: socket.cookie(),
        cgroup: connection.cgroup,
        flags: FLAG_LISTENER | FLAG_AFTER_RESPONSE,
        received: 0,
        sent: 0,
        sampling: sample::ALL,
        limit: WHOLE,
        batch: false,
    })
}

#[inline(always)]
fn established<'a>(packet: &Packet, host: &impl Host<'a>, socket: &impl Socket<'a>) -> Verdict {
    let connection = match socket.connection() {
        Some(connection) => connection,
        // Older than the programs, and perhaps amid a body. Only text or a PROXY header makes a
        // server of it, and nothing that the other end sends makes it a client for good: TCP may drop what we see.
        None => {
            at_first_sight(packet, host)?;
            host.note_server(packet.destination_port);
            socket.remember(Connection::new(Role::Server, true, socket.cgroup())).ok_or(Outcome::NoMemory)?
        }
    };
    if connection.role == Role::Client {
        return Err(Outcome::ClientSide);
    }
    if let Some(outcome) = connection.left_alone()
        && !host.first_word(packet).is_some_and(probe::begins_request)
    {
        return Err(outcome);
    }
    // TCP takes no data from a SYN once the connection stands.
    if packet.has(FLAG_SYN) { Err(Outcome::NoPayload) } else { server(packet, host, socket, connection) }
}

#[inline(always)]
fn server<'a>(
    packet: &Packet,
    host: &impl Host<'a>,
    socket: &impl Socket<'a>,
    connection: &mut Connection,
) -> Verdict {
    if packet.length == 0 && connection.announced == 0 {
        return Err(Outcome::NoPayload);
    }
    let cookie = socket.cookie();
    let (received, sent) = socket.positions();
    let mut after_response = false;
    let mut limit = WHOLE;
    let mut sampling = sample::ALL;
    if packet.length != 0 {
        let is_left_alone = connection.left_alone().is_some();
        if connection.role == Role::Listener {
            // The daemon is shown the bytes that say so.
            let tls = host.first_word(packet).is_some_and(probe::is_tls);
            connection.tls = u8::from(tls);
            connection.role = if tls && !host.reads_tls() { Role::NotHttp } else { Role::Server };
        }
        // Answers of a connection that is left alone are not looked at.
        after_response =
            connection.packets == 0 && connection.joined == 0 || connection.responded != 0 || is_left_alone;
        connection.responded = 0;
        connection.packets = connection.packets.wrapping_add(1);
        expect_answer(connection, packet, after_response);
        if connection.is_advice_due()
            && let Some(advice) = host.advice(cookie)
        {
            connection.follow(advice);
            if let Some(outcome) = connection.left_alone()
                && !host.first_word(packet).is_some_and(probe::begins_request)
            {
                return Err(outcome);
            }
        }
        // Once the server has answered, what comes may be a request: it need not have read the body.
        if connection.skipping != 0 && !after_response {
            let end = packet.seq.wrapping_add(packet.length);
            if (end.wrapping_sub(connection.mark) as i32) <= 0 {
                return Err(Outcome::SkippedBody);
            }
            connection.skipping = 0;
        }
        if connection.unanswered > BULK && (connection.unanswered > BUDGET || host.is_ring_filling()) {
            limit = START;
        }
        if after_response {
            sampling = match sampled_at(packet, host) {
                Some(rate) => rate,
                None => {
                    connection.sampled_out = 1;
                    return Err(Outcome::SampledOut);
                }
            };
            connection.sampled_out = 0;
        }
        connection.unconfirmed = 1;
        connection.unanswered = connection.unanswered.saturating_add(packet.length);
    }
    connection.announced = 1;
    let flags =
        (FLAG_AFTER_RESPONSE * u16::from(after_response)) | (FLAG_JOINED * u16::from(connection.joined));
    Ok(Capture {
        connection: cookie,
        cgroup: connection.cgroup,
        flags,
        received,
        sent,
        sampling,
        limit,
        batch: false,
    })
}

/// The rate at which the packet is captured; `None` if it is left out. Only asked where a request begins,
/// so a body cannot pose as one.
#[inline(always)]
fn sampled_at<'a>(packet: &Packet, host: &impl Host<'a>) -> Option<u32> {
    let rate = host.sampling();
    if rate == sample::ALL {
        return Some(sample::ALL);
    }
    match host.sampled(packet, rate) {
        Sampled::LeftOut => None,
        Sampled::Kept => Some(rate),
        Sampled::Exempt => Some(sample::ALL),
    }
}

/// Answers to pipelined requests may share a packet, where the usual start of it shows the first one only. The
/// daemon sees that a client pipelines and advises, but the first answers may be gone by then. So a connection's
/// first answer is captured whole, and those to what may be several requests: what is left of their share goes on when more is
/// asked before they are through.
#[inline(always)]
fn expect_answer(connection: &mut Connection, packet: &Packet, after_response: bool) {
    let left = connection.budget.saturating_sub(connection.answered);
    connection.answered = 0;
    if (!after_response || packet.length > LONG) && connection.suspicion < SUSPICION {
        connection.suspicion = SUSPICION;
    } else if connection.packets > 1 && connection.suspicion > 0 {
        connection.suspicion -= 1;
    }
    connection.suspect(connection.unanswered.saturating_add(packet.length));
    if connection.budget < left {
        connection.budget = left;
    }
}
