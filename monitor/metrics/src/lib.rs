//! Prometheus metrics: collected when asked for, from whoever knows the figures.
//!
//! Every family stands once, in the table: name, kind, labels, and the doc comment that is its HELP text and its line in
//! docs/metrics.md. A source of figures is a closure that pushes values into [`Samples`]; nothing is kept here, so a
//! scrape shows the counters of the kernel and the engine themselves, as of one moment. No label ever names a client, a
//! credential, an object or a raw path: their number is the attacker's to choose.

mod process;
mod table;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{
    Registry, TextEncoder,
    core::{Collector, Desc},
    proto,
};

pub use process::{process, started};
pub use table::*;

/// What a family measures, and how it may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, until the daemon starts again.
    Counter,
    /// Rises and falls.
    Gauge,
}

/// A metric family.
#[derive(Debug)]
pub struct MetricDef {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
}

/// The values of one scrape.
#[derive(Debug, Default)]
pub struct Samples {
    families: BTreeMap<&'static str, (&'static MetricDef, Vec<proto::Metric>)>,
}

impl Samples {
    /// Adds one value. `labels` are the values of [`MetricDef::labels`], in order.
    pub fn push(&mut self, def: &'static MetricDef, labels: &[&str], value: impl Value) {
        debug_assert_eq!(def.labels.len(), labels.len(), "labels of {}", def.name);
        let pairs = def.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        let mut metric = proto::Metric::from_label(pairs.collect());
        match def.kind {
            Kind::Counter => {
                let mut counter = proto::Counter::default();
                counter.set_value(value.to_f64());
                metric.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value.to_f64());
                metric.set_gauge(gauge);
            }
        }
        self.families.entry(def.name).or_insert_with(|| (def, Vec::new())).1.push(metric);
    }

    /// Adds the values of `now`; counters by how much they have risen since `before`, which the same code had pushed.
    pub fn add_since(&mut self, now: Samples, before: &Samples) {
        for (name, (def, mut metrics)) in now.families {
            let then = before.families.get(name).filter(|_| def.kind == Kind::Counter);
            let then = then.map_or(&[][..], |(_, then)| then);
            for (metric, then) in metrics.iter_mut().zip(then) {
                debug_assert_eq!(metric.get_label(), then.get_label());
                let mut risen = proto::Counter::default();
                risen.set_value(metric.get_counter().get_value() - then.get_counter().get_value());
                metric.set_counter(risen);
            }
            self.families.entry(name).or_insert_with(|| (def, Vec::new())).1.append(&mut metrics);
        }
    }

    /// Adds one value for each of `names`, which are the last label's values; `labels` are those before it.
    pub fn push_each(
        &mut self,
        def: &'static MetricDef,
        labels: &[&str],
        names: &[&'static str],
        values: &[u64],
    ) {
        debug_assert_eq!(names.len(), values.len(), "values of {}", def.name);
        for (name, value) in names.iter().zip(values) {
            self.push(def, &[labels, &[name]].concat(), *value);
        }
    }
}

/// A number as Prometheus wants it. Integers past 2^53 lose their last digits.
pub trait Value {
    fn to_f64(self) -> f64;
}

impl Value for u64 {
    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl Value for usize {
    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl Value for f64 {
    fn to_f64(self) -> f64 {
        self
    }
}

/// Pushes what it knows at the moment of a scrape. Called on the web server's thread, and to be quick.
pub type Source = Box<dyn Fn(&mut Samples) + Send>;

/// All sources, and the text they make.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    sources: Arc<Mutex<Vec<Source>>>,
}

impl Metrics {
    /// Metrics of this process and this build; the rest comes with [`Metrics::add`].
    pub fn new() -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        let sources = Arc::default();
        let descs = ALL.iter().map(|def| {
            let labels = def.labels.iter().map(|&label| label.to_owned()).collect();
            Desc::new(def.name.to_owned(), def.help.to_owned(), labels, Default::default())
        });
        let bridge = Bridge { descs: descs.collect::<Result<_, _>>()?, sources: Arc::clone(&sources) };
        registry.register(Box::new(bridge))?;
        let metrics = Metrics { registry, sources };
        metrics.add(process);
        Ok(metrics)
    }

    /// Asks `source` too, from the next scrape on.
    pub fn add(&self, source: impl Fn(&mut Samples) + Send + 'static) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
    }

    /// Every metric in the text format.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// The media type of [`Metrics::text`].
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// Speaks for all sources to the registry.
struct Bridge {
    descs: Vec<Desc>,
    sources: Arc<Mutex<Vec<Source>>>,
}

impl Collector for Bridge {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let mut samples = Samples::default();
        for source in self.sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            source(&mut samples);
        }
        let families = samples.families.into_values().map(|(def, metrics)| {
            let mut family = proto::MetricFamily::default();
            family.set_name(def.name.to_owned());
            family.set_help(def.help.to_owned());
            family.set_field_type(match def.kind {
                Kind::Counter => proto::MetricType::COUNTER,
                Kind::Gauge => proto::MetricType::GAUGE,
            });
            family.set_metric(metrics);
            family
        });
        families.collect()
    }
}

/// docs/metrics.md.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Metrics\n\n\
         Written from the table in monitor/metrics/src/table.rs; a test keeps both alike.\n\
         Counters start at zero with the daemon. No label names a client, a credential, an object or a raw path.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for MetricDef { name, help, kind, labels } in ALL {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        out.push_str(&format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests;
