//! A shop: visitors who look at some products, popular ones most, and a crawler that looks at all of them.

use std::net::Ipv4Addr;

use super::{BROWSER, Caller, Day};

const VISITORS: u64 = 1_000;
const PRODUCTS: u64 = 16_000;
const CRAWLED_EACH: f64 = 15.0;

pub(super) fn day(day: &mut Day) {
    for visitor in 0..VISITORS {
        // One of five comes back each day; the others have not been there before.
        let number = if visitor.is_multiple_of(5) { visitor } else { day.random.between(0, 1 << 24) };
        let address = Ipv4Addr::from_bits(0x5600_0000 + number as u32);
        let caller = Caller { address, session: Some(number), agent: BROWSER };
        let mut at = day.awake();
        for _ in 0..day.random.between(1, 21) {
            let product = (day.random.unit().powi(3) * PRODUCTS as f64) as u64;
            page(day, at, caller, product);
            let picture = format!("/img/product/{product}.webp");
            day.get(at + 0.3, caller, &picture, (200, "image/webp", 40_000));
            at += 2.0 + day.random.exponential(15.0);
        }
    }
    let agent = "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://www.example.com/bot.html)";
    let crawler = Caller { address: Ipv4Addr::new(66, 60, 7, 1), session: None, agent };
    let mut at = 0.0;
    while at < 86_400.0 {
        let product = day.random.between(0, PRODUCTS);
        if day.random.chance(0.05) {
            day.get(at, crawler, &format!("/product/{}", product + PRODUCTS), (404, "text/html", 1_500));
        } else {
            page(day, at, crawler, product);
        }
        at += day.random.exponential(CRAWLED_EACH);
    }
}

fn page(day: &mut Day, at: f64, caller: Caller, product: u64) {
    let bytes = day.random.between(9_000, 20_000);
    day.get(at, caller, &format!("/product/{}", 1_000 + product), (200, "text/html; charset=utf-8", bytes));
}
