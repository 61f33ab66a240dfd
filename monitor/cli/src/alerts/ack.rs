//! `rollcall alerts ack`: somebody has taken an alert on.

use clap::Args;
use rollcall_model::time::Timestamp;
use rollcall_store::{self as ledger, AckOutcome, Acked};

use super::{Place, write};
use crate::{
    exit::{Exit, Failure},
    top::text::clean,
    user,
};

#[derive(Debug, Args)]
pub(super) struct AckArgs {
    /// The alert, by its id or the beginning of it.
    #[arg(value_name = "ALERT", value_parser = id)]
    id: String,

    /// What there is to say about it.
    #[arg(long, value_name = "TEXT", value_parser = user::text)]
    note: Option<String>,

    /// Who has taken it on [default: the user, or who became root with sudo].
    #[arg(long, value_name = "NAME", value_parser = user::text)]
    by: Option<String>,

    #[command(flatten)]
    place: Place,
}

/// Acknowledges the alert.
pub(super) fn ack(args: &AckArgs) -> Result<Exit, Failure> {
    let AckArgs { id, note, by, place } = args;
    let by = by.clone().unwrap_or_else(user::name);
    let acked = Acked { at: Timestamp::now(), by, note: note.clone() };
    let told = match ledger::acknowledge(&place.state_dir, id, &acked)? {
        AckOutcome::Acked(id) => format!("{id} is acknowledged by {}", clean(&acked.by)),
        AckOutcome::Already(id, before) => {
            format!("{id} is acknowledged by {} since {}", clean(&before.by), before.at)
        }
        AckOutcome::Ambiguous => {
            let error = anyhow::anyhow!("several alerts begin like that: {id}");
            return Err(Failure::new(Exit::Usage, error).advise("give more of the id"));
        }
        AckOutcome::Unknown => {
            let directory = place.state_dir.display();
            let error = anyhow::anyhow!("there is no alert {id} in the ledger in {directory}");
            return Err(Failure::new(Exit::Ledger, error).advise("see which there are: rollcall alerts"));
        }
    };
    // That nobody reads it changes nothing about what was done.
    drop(write(&told));
    Ok(Exit::Ok)
}

fn id(text: &str) -> Result<String, String> {
    let text = text.trim();
    if (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("expected the id of an alert, such as 4c5162c3863df409".to_owned())
}
