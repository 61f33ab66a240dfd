//! Captures made for tests, byte by byte as the formats' descriptions have them.

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Little,
    Big,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    Micro,
    Nano,
}

impl Order {
    fn word(self, value: u16) -> Vec<u8> {
        match self {
            Order::Little => value.to_le_bytes().to_vec(),
            Order::Big => value.to_be_bytes().to_vec(),
        }
    }

    fn long(self, value: u32) -> Vec<u8> {
        match self {
            Order::Little => value.to_le_bytes().to_vec(),
            Order::Big => value.to_be_bytes().to_vec(),
        }
    }
}

fn pcap_header(order: Order, unit: Unit, link_type: u32) -> Vec<u8> {
    let magic = if unit == Unit::Nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let fields = [
        order.long(magic),
        order.word(2),
        order.word(4),
        order.long(0),
        order.long(0),
        order.long(65535),
        order.long(link_type),
    ];
    fields.concat()
}

/// A pcap file of packets, each with its time in nanoseconds.
pub(super) fn pcap(order: Order, unit: Unit, link_type: u32, packets: &[(u64, &[u8])]) -> Vec<u8> {
    let mut file = pcap_header(order, unit, link_type);
    for (at, packet) in packets {
        let fraction = at % 1_000_000_000 / if unit == Unit::Nano { 1 } else { 1000 };
        let length = order.long(packet.len() as u32);
        file.extend([order.long((at / 1_000_000_000) as u32), order.long(fraction as u32)].concat());
        file.extend([&length[..], &length, packet].concat());
    }
    file
}

/// A pcap file of one Ethernet packet of which `kept` bytes were captured.
pub(super) fn pcap_cut(packet: &[u8], kept: usize) -> Vec<u8> {
    let order = Order::Little;
    let lengths = [order.long(kept as u32), order.long(packet.len() as u32)].concat();
    [&pcap_header(order, Unit::Micro, 1)[..], &[0; 8], &lengths, &packet[..kept]].concat()
}

/// Blocks of pcapng.
pub(super) mod ng {
    use super::Order;

    fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
        let length = order.long(body.len() as u32 + 12);
        [&order.long(kind)[..], &length, body, &length].concat()
    }

    fn padded(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    pub(in super::super) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
        [order.word(code), order.word(value.len() as u16), padded(value)].concat()
    }

    pub(in super::super) fn section(order: Order) -> Vec<u8> {
        section_with(order, &[])
    }

    pub(in super::super) fn section_with(order: Order, options: &[u8]) -> Vec<u8> {
        let body = [&order.long(0x1a2b_3c4d)[..], &order.word(1), &order.word(0), &[0xff; 8], options];
        block(order, 0x0a0d_0d0a, &body.concat())
    }

    pub(in super::super) fn interface(order: Order, link_type: u16, options: &[u8]) -> Vec<u8> {
        let body = [&order.word(link_type)[..], &[0; 2], &order.long(0), options];
        block(order, 1, &body.concat())
    }

    pub(in super::super) fn packet(order: Order, interface: u32, units: u64, packet: &[u8]) -> Vec<u8> {
        let length = order.long(packet.len() as u32);
        let body = [
            order.long(interface),
            order.long((units >> 32) as u32),
            order.long(units as u32),
            length.clone(),
            length,
            padded(packet),
        ];
        block(order, 6, &body.concat())
    }

    /// Secrets of a kind: `TLSK` or another.
    pub(in super::super) fn secrets(order: Order, kind: u32, text: &[u8]) -> Vec<u8> {
        block(order, 10, &[order.long(kind), order.long(text.len() as u32), padded(text)].concat())
    }

    pub(in super::super) fn simple(order: Order, packet: &[u8]) -> Vec<u8> {
        block(order, 3, &[order.long(packet.len() as u32), padded(packet)].concat())
    }
}

/// Packets from 192.0.2.7:50000 or 2001:db8::7 to port 80, with sequence number 1000.
pub(super) mod frame {
    fn tcp(payload: &[u8]) -> Vec<u8> {
        let mut header = [0; 20];
        header[0..2].copy_from_slice(&50000u16.to_be_bytes());
        header[2..4].copy_from_slice(&80u16.to_be_bytes());
        header[4..8].copy_from_slice(&1000u32.to_be_bytes());
        header[12] = 5 << 4;
        header[13] = 0x18;
        [&header[..], payload].concat()
    }

    pub(in super::super) fn ipv4(payload: &[u8]) -> Vec<u8> {
        let tcp = tcp(payload);
        let mut header = [0; 20];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&(20 + tcp.len() as u16).to_be_bytes());
        header[8] = 64;
        header[9] = 6;
        header[12..16].copy_from_slice(&[192, 0, 2, 7]);
        header[16..20].copy_from_slice(&[192, 0, 2, 1]);
        [&header[..], &tcp].concat()
    }

    /// `extensions` are header numbers with their headers; the first byte of each is filled in.
    pub(in super::super) fn ipv6(extensions: &[(u8, Vec<u8>)], payload: &[u8]) -> Vec<u8> {
        let mut next: Vec<u8> = extensions.iter().map(|(number, _)| *number).chain([6]).collect();
        let mut body = Vec::new();
        let first = next.remove(0);
        for ((_, extension), next) in extensions.iter().zip(next) {
            body.push(next);
            body.extend_from_slice(&extension[1..]);
        }
        body.extend(tcp(payload));
        let mut header = [0; 40];
        header[0] = 0x60;
        header[4..6].copy_from_slice(&(body.len() as u16).to_be_bytes());
        header[6] = first;
        header[7] = 64;
        header[8..24].copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        header[24..40].copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        [&header[..], &body].concat()
    }

    pub(in super::super) fn ethernet(packet: &[u8]) -> Vec<u8> {
        let kind = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
        [&[0; 12][..], &kind, packet].concat()
    }
}
