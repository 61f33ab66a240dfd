//! A server of files, addresses and calendars, on which each has a folder by his own name, and devices that fetch all of it.

use super::{Answer, Caller, Day};

const USERS: u64 = 60;
const FIRST: [&str; 15] = [
    "anna", "ben", "clara", "david", "emma", "felix", "greta", "hans", "ida", "jonas", "karl", "lena", "max",
    "nina", "otto",
];
const LAST: [&str; 4] = ["", "92", ".k", "berg"];

const LIST: Answer<'static> = (200, "application/xml", 3_000);
const CARD: Answer<'static> = (200, "text/vcard; charset=utf-8", 900);
const DOCUMENT: Answer<'static> = (200, "application/vnd.oasis.opendocument.text", 60_000);

pub(super) fn day(day: &mut Day) {
    for user in 0..USERS {
        let caller = Caller::regular(user, &mut day.random);
        let name =
            format!("{}{}", FIRST[(user % 15) as usize], LAST[(user / 15 % LAST.len() as u64) as usize]);
        let mut at = day.random.exponential(900.0);
        while at < 86_400.0 {
            day.get(at, caller, &format!("/dav/calendars/{name}/personal"), LIST);
            day.get(at + 0.2, caller, &format!("/dav/files/{name}/documents"), LIST);
            // A device that is new.
            if day.random.chance(0.0005) {
                for card in 0..day.random.between(5, 200) {
                    let id = crate::call::scattered(user * 1_000 + card);
                    let target = format!("/dav/addressbooks/users/{name}/contacts/{id:032x}.vcf");
                    day.get(at + 1.0 + 0.1 * card as f64, caller, &target, CARD);
                }
            }
            if day.random.chance(0.03) {
                // Or was away.
                let most = if day.random.chance(0.1) { 40 } else { 12 };
                for file in 0..day.random.between(1, most) {
                    let target = format!("/dav/files/{name}/documents/minutes-{user}-{file}.odt");
                    day.get(at + 3.0 + 0.3 * file as f64, caller, &target, DOCUMENT);
                }
            }
            at += 900.0 + day.random.exponential(600.0);
        }
    }
}
