//! The flags that say what is too much.

use clap::Args;
use rollcall_detect::{Budget, DetectorSettings, LimitRule, Partner, Policy};

use super::{
    exit::{Exit, Failure},
    values,
};

#[derive(Clone, Debug, Args)]
pub(crate) struct DetectionArgs {
    /// Alert when a client touches more than N distinct objects of a route within WINDOW; repeatable, or a list. For one
    /// route, service or route of a service, besides the others: 'GET /x=N/WINDOW', ':8001=N/WINDOW', ':8001 GET
    /// /x=N/WINDOW'. For some hours of the day, in UTC: N/WINDOW@HH:MM-HH:MM. Limits for every route and hour replace the
    /// default ones [default: 20/10s,30/60s,60/10m,100/1h,300/24h].
    #[arg(
        long = "limit",
        env = "ROLLCALL_LIMIT",
        value_name = "[ROUTE=]N/WINDOW",
        value_delimiter = ',',
        help_heading = "Detection"
    )]
    limits: Vec<LimitRule>,

    /// Budget of a client that is meant to read much: KEY is an address, a network of which each has it, or a
    /// credential as alerts show it, which counts where a server that refuses others answers it. It takes the place of
    /// every limit. Repeatable, or a list.
    #[arg(
        long = "partner",
        env = "ROLLCALL_PARTNER",
        value_name = "KEY=N/WINDOW",
        value_delimiter = ',',
        help_heading = "Detection"
    )]
    partners: Vec<Partner>,

    /// Alert when a client takes more than this from a route within an hour, in answers about objects new to it.
    #[arg(
        long = "limit-bytes",
        env = "ROLLCALL_LIMIT_BYTES",
        value_name = "BYTES",
        value_parser = values::bytes,
        default_value = "256MiB",
        help_heading = "Detection"
    )]
    limit_bytes: u64,

    /// Memory for everything that detection holds, fixed at the start; 4MiB to 16GiB.
    #[arg(
        long = "memory-budget",
        env = "ROLLCALL_MEMORY_BUDGET",
        value_name = "BYTES",
        value_parser = values::memory_budget,
        default_value = "64MiB",
        help_heading = "Detection"
    )]
    memory_budget: u64,
}

impl DetectionArgs {
    pub(crate) fn settings(&self) -> Result<DetectorSettings, Failure> {
        let policy = Policy::new(&self.limits, &self.partners)
            .map_err(|error| Failure::new(Exit::Usage, error).advise("see --limit in --help"))?;
        let budget = Budget::new(usize::try_from(self.memory_budget).unwrap_or(usize::MAX));
        Ok(DetectorSettings { policy, budget, bytes_limit: self.limit_bytes })
    }
}
