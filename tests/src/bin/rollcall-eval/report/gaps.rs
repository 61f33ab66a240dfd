//! What is not caught: what these figures show, and what no figure can.

use super::{attacks::rows, goals::has_attacks};
use crate::{logs::LOGS, outcome::SYNTHETIC, parts::Run};

/// What follows from how detection works.
const KNOWN: [&str; 10] = [
    "Few accounts each from very many addresses, in random order, slower than ordinary customers come back after a long \
     time: nothing tells each call from one of theirs (`drip`).",
    "A client that reads less than any limit allows, for as long as it likes, in random order (`hourly`; at 299 a day \
     that is 109,000 accounts a year for each identity that it has).",
    "Lists and searches: a page holds many accounts, of which the request names none. Each page counts as one thing that \
     was read, however many it shows (`list-pages`).",
    "A known route of own data is held to twice what the most of its clients came to. At the synthetic API an employee of an \
     office comes to 7 accounts within 10 s, so the limit is 14; and while its 258,000 clients a day fill the tables, a new one \
     has no place in them before its third account, or page. To be told at the tenth takes a limit that employees pass.",
    "Random order over many addresses on a route that begins with the attack, as amid the recorded logs: all that is read there is \
     new, as it is wherever the daemon has just come to. Tried: to speak up on the first 300 objects of a route if nobody had touched \
     98 of 100 of them. That finds it at 300, and the support desk 28 times in a week; a crawler, packages of a mirror and the \
     users of a gallery become critical by it. To ask that callers be new, too, would leave every route that each customer \
     calls once a session.",
    "What is read below one's own name, told as if it were accounts (`files of each`): a device that fetches 21 files or contacts of \
     its user within 10 s passes the limit, and until eight users have done so each name is a route of its own, with three warnings \
     of its own. Limits follow within a week. To take what stands below one's own name for one's own was not tried: where \
     each partner has a tenant, that is where its customers are.",
    "Accounts that answers hold beyond the ones asked for.",
    "Whoever reads what it always reads: an employee or a partner within the budget, or with an employee's token at an \
     employee's pace.",
    "What does not pass the hooks in a form that can be read: TLS that ends in the application, HTTP/2 and HTTP/3, \
     accounts named only behind the captured bytes of a body.",
    "The accounts that were read before the alert. The tables say how many.",
];

pub(super) fn section(run: &Run) -> Option<String> {
    if !has_attacks(run) {
        return None;
    }
    let mut text = "## What is not caught\n\n".to_owned();
    let mut found = false;
    for amid in std::iter::once(SYNTHETIC).chain(LOGS) {
        for row in rows(run, amid).iter().filter(|row| !row.is_caught()) {
            found = true;
            let read = row.outcomes.iter().map(|outcome| outcome.read).max().unwrap_or_default();
            text.push_str(&format!(
                "- `{}` amid {amid}: caught with {} of {} seeds; up to {read} accounts were read.\n",
                row.shape.name,
                row.caught(),
                row.outcomes.len()
            ));
        }
    }
    if !found {
        text.push_str("- Of the attacks above: none.\n");
    }
    if run.all {
        text.push_str("\nBeyond them, by design or by nature:\n\n");
        KNOWN.iter().for_each(|gap| text.push_str(&format!("- {gap}\n")));
    }
    Some(text)
}
