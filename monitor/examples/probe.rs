use rollcall::{http::Directive, kernel::*, stream::*, time::Timestamp};
struct C(u64, u64, bool);
impl Consumer for C {
    fn segment(&mut self, s: &Segment<'_>) {
        if s.direction == Direction::Request {
            self.0 += 1
        } else {
            self.1 += 1
        };
        if self.2 {
            println!(
                "{:?} {:?} seq {} ack {:?} len {} cap {} fin {} rcv {:?} snd {:?} after {} lst {} join {} csum {:?} {:?}",
                s.connection,
                s.direction,
                s.seq,
                s.ack,
                s.length,
                s.data.len(),
                s.fin,
                s.received,
                s.sent,
                s.after_response,
                s.listener,
                s.joined,
                s.checksum,
                String::from_utf8_lossy(&s.data[..s.data.len().min(30)])
            )
        }
    }
    fn settle(&mut self, _: Timestamp) {}
    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        std::iter::empty()
    }
    fn captured(&mut self, _: u64, l: u64) {
        if l > 0 {
            eprintln!("lost {l}")
        }
    }
}
fn main() {
    let (mut p, mut c) = match load(&Options {
        ports: std::env::var("PORTS").map(|p| vec![p.parse().unwrap()]).unwrap_or_default(),
        ..Default::default()
    }) {
        Ok(x) => x,
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1)
        }
    };
    let st = c.statistics();
    let at = p.attach().unwrap();
    let stop = Stop::new().unwrap();
    let s2 = stop.clone();
    let secs: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(secs));
        s2.stop();
    });
    let mut k = C(0, 0, std::env::args().nth(2).is_some());
    c.run(&mut k, &stop).unwrap();
    drop(at);
    c.drain(&mut k);
    println!("req {} resp {}", k.0, k.1);
    for (d, n) in st.read().iter().zip(["in", "out"]) {
        println!(
            "{n} seen {} {:?} lost {}",
            d.seen,
            monitor_ebpf::outcome::Outcome::NAMES
                .iter()
                .zip(d.outcomes)
                .filter(|x| x.1 > 0)
                .collect::<Vec<_>>(),
            d.requests_lost
        )
    }
}
