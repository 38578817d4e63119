//! A program with a container of its own, by the library: it runs a bundle, and not for longer than it is told.
//!
//! ```text
//! cargo build --features reference --example start
//! sudo target/debug/examples/start BUNDLE STATE SECONDS
//! ```
//!
//! BUNDLE is a directory with a `config.json` (`runbox spec` writes one) and a root file system, STATE one of this program's own.

#![expect(clippy::print_stdout, reason = "this is what a program is for")]

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use boxwright::container::{self, Container};
use boxwright::model::Status;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // First of all: a container is never to find this program's file where it can write to it.
    container::seal()?;
    let args: Vec<String> = env::args().skip(1).collect();
    let [bundle, state, seconds] = &args[..] else { return Err("usage: start BUNDLE STATE SECONDS".into()) };
    let limit = Duration::from_secs(seconds.parse()?);

    let name = format!("start-{}", std::process::id());
    let mut container = Container::create(Path::new(state), &name, Path::new(bundle))?;
    println!("{}: {}", container.status()?, container.pid()?);
    // Whatever happens from here on, nothing of it is to stay.
    let code = run(&mut container, limit);
    for error in container.delete(true)? {
        println!("warning: {error}");
    }
    let code = code?;
    println!("ended: {code}");
    Ok(ExitCode::from(u8::try_from(code)?))
}

/// Starts the command, ends it when its time is over, and returns its exit code.
fn run(container: &mut Container, limit: Duration) -> Result<i32, Box<dyn Error>> {
    const SIGKILL: i32 = 9;
    let begun = Instant::now();
    for error in container.start()? {
        println!("warning: {error}");
    }
    while container.status()? != Status::Stopped && begun.elapsed() < limit {
        sleep(Duration::from_millis(5));
    }
    if container.status()? != Status::Stopped {
        println!("its time is over");
        // It may have ended by itself meanwhile.
        let _ = container.kill(SIGKILL);
    }
    Ok(container.wait()?)
}
