//! A site with maps and videos: tiles around a place, segments of a video one after the other, thumbnails of many, and the
//! pages on which videos are watched.

use super::{Caller, Day};

const VIEWERS: u64 = 200;
const VIDEOS: u64 = 3_000;

pub(super) fn day(day: &mut Day) {
    for viewer in 0..VIEWERS {
        if !day.random.chance(0.6) {
            continue;
        }
        let caller = Caller::regular(viewer, &mut day.random);
        let at = day.awake();
        if viewer.is_multiple_of(2) { map(day, at, caller) } else { videos(day, at, caller) }
    }
}

fn map(day: &mut Day, mut at: f64, caller: Caller) {
    let zoom = day.random.between(10, 17);
    let (mut x, y) = (day.random.between(8_000, 8_600), day.random.between(5_300, 5_700));
    for _ in 0..day.random.between(3, 12) {
        for tile in 0..20 {
            let target = format!("/tiles/{zoom}/{}/{}", x + tile % 5, y + tile / 5);
            let bytes = day.random.between(5_000, 30_000);
            day.get(at + 0.02 * tile as f64, caller, &target, (200, "image/png", bytes));
        }
        x += 2;
        at += 1.0 + day.random.exponential(4.0);
    }
}

fn videos(day: &mut Day, mut at: f64, caller: Caller) {
    for _ in 0..day.random.between(1, 6) {
        for _ in 0..24 {
            let video = day.random.between(0, VIDEOS);
            day.get(at, caller, &format!("/thumb/{video}"), (200, "image/webp", 12_000));
            at += 0.03;
        }
        let video = day.random.between(0, VIDEOS);
        day.get(at, caller, &format!("/watch/{video}"), (200, "text/html; charset=utf-8", 24_000));
        for segment in 0..day.random.between(10, 60) {
            let target = format!("/video/{video}/{segment}");
            day.get(at + 4.0 * segment as f64, caller, &target, (200, "video/mp2t", 800_000));
        }
        at += 60.0 + day.random.exponential(200.0);
    }
}
