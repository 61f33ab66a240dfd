use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use clap::Parser;
use nix::sys::signal::{Signal as Number, raise};

use super::*;
use crate::cli::exit::EXITS;

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    run: RunArgs,
}

/// A source that does as the test says once it runs.
struct Scripted<F>(F);

impl<F: FnOnce(&mut Pipeline, &Health, &Stop) -> Result<(), Failure> + Send> Source for Scripted<F> {
    fn run(self: Box<Self>, pipeline: &mut Pipeline, health: &Health, stop: &Stop) -> Result<(), Failure> {
        (self.0)(pipeline, health, stop)
    }
}

fn supervised(
    arguments: &[&str],
    script: impl FnOnce(SocketAddr, &mut Pipeline, &Health, &Stop) -> Result<(), Failure> + Send + 'static,
) -> Result<Exit, Failure> {
    let args = Args::parse_from([&["rollcall", "--alert.file", "/dev/null"], arguments].concat()).run;
    let listener = web::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Metrics::new().unwrap();
    let outputs = Outputs::open(&args.engine, Writing::Queued, Some(&metrics)).unwrap();
    let pipeline = Pipeline::new(&args.engine, outputs);
    let site = Site { telemetry_path: args.telemetry_path, metrics, health: Arc::default() };
    let source = Scripted(move |pipeline: &mut Pipeline, health: &Health, stop: &Stop| {
        script(address, pipeline, health, stop)
    });
    supervise(listener, site, Box::new(source), pipeline)
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serves_while_capturing_and_stops_on_a_signal() {
    let outcome = supervised(&["--exchange-log", "/dev/null"], |address, pipeline, health, stop| {
        health.tick();
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 200"));
        let metrics = get(address, "/metrics");
        assert!(metrics.contains("rollcall_log_lines_dropped_total{log=\"exchanges\"} 0\n"), "{metrics}");
        assert!(!stop.is_set());
        raise(Number::SIGTERM).unwrap();
        while !stop.is_set() {
            pipeline.tick();
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    assert_eq!(outcome.unwrap(), Exit::Ok);
}

#[test]
fn a_source_that_fails_ends_the_daemon_with_its_code() {
    for (exit, _) in &EXITS[1..] {
        let exit = *exit;
        let outcome = supervised(&[], move |_, _, _, _| Err(Failure::new(exit, anyhow::anyhow!("broken"))));
        assert_eq!(outcome.unwrap_err().exit(), exit);
    }
}

#[test]
fn a_source_that_panics_ends_the_daemon() {
    let outcome = supervised(&[], |_, _, _, _| panic!("on purpose"));
    assert_eq!(outcome.unwrap_err().exit(), Exit::Failed);
}
