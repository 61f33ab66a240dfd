use rollcall::{http::*, kernel::*, stream::*, time::Timestamp};
struct P(Vec<(ConnectionId, Directive)>);
impl Sink for P {
    fn call(&mut self, e: &Exchange<'_>) {
        println!("   CALL {:?} {}", e.status, String::from_utf8_lossy(e.request.target()))
    }
    fn exchange(&mut self, e: &Exchange<'_>) {
        println!(
            "   EXCHANGE {:?} {} {}",
            e.status,
            String::from_utf8_lossy(e.request.target()),
            e.request_bytes
        )
    }
    fn directive(&mut self, c: ConnectionId, d: Directive) {
        println!("   ADVICE {d:?}");
        self.0.push((c, d))
    }
}
struct C(Connections, P, Counters);
impl Consumer for C {
    fn segment(&mut self, s: &Segment<'_>) {
        println!(
            "{:?} {:?} seq {} ack {:?} len {} cap {} fin {} rcv {:?} snd {:?} after {} lst {} join {} csum {:?} {:?}",
            s.connection.0,
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
        );
        self.0.segment(s, &mut self.1);
        self.diff();
    }
    fn settle(&mut self, t: Timestamp) {
        println!("-- settle");
        self.0.settle(t, &mut self.1);
        self.diff();
    }
    fn next_deadline(&self) -> Option<Timestamp> {
        self.0.next_deadline()
    }
    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        self.1.0.drain(..)
    }
    fn captured(&mut self, _: u64, l: u64) {
        if l > 0 {
            eprintln!("lost {l}")
        }
    }
}
impl C {
    fn diff(&mut self) {
        let c = self.0.counters().clone();
        if c != self.2 {
            let a = format!("{:#?}", self.2);
            let b = format!("{c:#?}");
            for (x, y) in a.lines().zip(b.lines()) {
                if x != y && !y.contains("bytes") {
                    println!("      {} -> {}", x.trim(), y.trim())
                }
            }
            self.2 = c;
        }
    }
}
fn main() {
    let port: u16 = std::env::args().nth(2).unwrap().parse().unwrap();
    let (mut p, mut c) =
        load(&Options { ports: if port == 0 { vec![] } else { vec![port] }, ..Default::default() }).unwrap();
    let at = p.attach().unwrap();
    let stop = Stop::new().unwrap();
    let s2 = stop.clone();
    let secs: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(secs));
        s2.stop();
    });
    let mut k = C(Connections::new(Limits::default()), P(vec![]), Counters::default());
    c.run(&mut k, &stop).unwrap();
    drop(at);
    c.drain(&mut k);
    k.0.finish(Timestamp::now(), &mut k.1);
    k.diff();
}
