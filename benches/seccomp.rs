//! What a filter costs at each system call: none, boxwright's default one after the other, and the same by halving. And what
//! it costs to have it, once for each container.
//!
//! ```sh
//! cargo bench --features solutions --bench seccomp
//! ```
//!
//! Each filter has a thread of its own, and they take turns in short rounds, so that what else the machine does meets all of
//! them alike.

#![allow(unsafe_code, reason = "it makes system calls by their numbers")]

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use boxwright::steps::seccomp;
use clap::Parser;
use cli::seccomp::{DEFAULT, Place, read};
use cli::{Command, Flags, Places, Who, spec};
use model::caps::CapSet;
use model::plan::User;
use model::plan::seccomp::{Action, ArchRules, Insn, Policy};
use model::{Error, Layers, Plan, Result, VolumeDir};

const ROUNDS: usize = 1000;
/// Of one round: about a tenth of a millisecond, so that most are over before anybody else gets the processor.
const CALLS: u32 = 500;

/// A system call with its first argument.
type Call = (i64, i64);
/// What it shows, and the call.
const MEASURED: [(&str, Call); 3] = [
    ("getppid: always allowed", (libc::SYS_getppid, 0)),
    ("personality: by its argument", (libc::SYS_personality, 0xffff_ffff)),
    ("number 999: no rule", (999, 0)),
];

fn main() {
    match measure().and_then(|table| Ok(table + &to_have_it()?)) {
        Ok(table) => print(&table),
        Err(error) => fail(&error),
    }
}

fn measure() -> Result<String> {
    let policy = default_policy()?;
    let filters = [("none", Vec::new()), ("linear", linear(&policy)), ("halving", seccomp::assemble(&policy)?)];
    let workers: Vec<Worker> = filters.iter().map(|(_, filter)| Worker::start(filter.clone())).collect();

    let mut table = format!("{:<30}", "");
    filters.iter().for_each(|(name, _)| table += &format!("{name:>10}"));
    table += &format!("\n{:<30}", "instructions");
    filters.iter().for_each(|(_, filter)| table += &format!("{:>10}", filter.len()));
    for (what, call) in MEASURED {
        let mut rounds = vec![Vec::new(); workers.len()];
        for _ in 0..ROUNDS {
            for (worker, times) in workers.iter().zip(&mut rounds) {
                times.push(worker.round(call)?);
            }
        }
        let medians: Vec<f64> = rounds.into_iter().map(median).collect();
        table += &format!("\n{what:<30}");
        medians.iter().for_each(|median| table += &format!("{median:>7.0} ns"));
        table += &format!("\n{:<30}", "  times none");
        medians.iter().for_each(|median| table += &format!("{:>10.2}", median / medians[0]));
    }
    Ok(table + &format!("\nmedian of {ROUNDS} rounds of {CALLS} calls\n"))
}

/// What stands between the default profile's text and a thread that has its filter: each step's median, of some hundred.
fn to_have_it() -> Result<String> {
    const TIMES: usize = 300;
    let place = Place { bounding: CapSet::DEFAULT, kernel: (6, 1) };
    let mut steps = [const { Vec::new() }; 4];
    for _ in 0..TIMES {
        let begun = Instant::now();
        let profile = read("the default", DEFAULT, place)?;
        let is_read = Instant::now();
        let policy = Policy::from_oci(&profile)?;
        let is_numbers = Instant::now();
        let filter = seccomp::assemble(&policy)?;
        let is_assembled = Instant::now();
        // A thread each: filters add up, and all of a thread's have 32768 instructions at most.
        let installing = thread::spawn(move || {
            let begun = Instant::now();
            seccomp::no_new_privs().and_then(|()| seccomp::install(&filter, 0)).expect("a filter");
            begun.elapsed()
        });
        let installed = installing.join().expect("the thread returns");
        let own = [is_read - begun, is_numbers - is_read, is_assembled - is_numbers, installed];
        steps.iter_mut().zip(own).for_each(|(times, time)| times.push(time.as_secs_f64() * 1e6));
    }
    let names = ["the text is read", "names are numbers", "the filter is assembled", "the kernel takes it"];
    let lines = names.into_iter().zip(steps).map(|(name, times)| format!("{name:<30}{:>7.0} us\n", median(times)));
    Ok(lines.collect())
}

/// What `boxwright run` gives a container of root's.
fn default_policy() -> Result<Policy> {
    let Command::Run(run) = Flags::parse_from(["boxwright", "run", "true"]).command else {
        return Err(Error::invalid("the command line", "run true", "a run"));
    };
    let places =
        Places { container: "/nowhere".into(), volumes: VolumeDir::of_the_caller(), layers: Layers::of_the_caller() };
    let who = Who { user: User::default(), home: "/".to_owned(), ids: None, available: CapSet::ALL, joins: &[] };
    let spec = spec::from_flags(&run, "bench", &places, &who)?;
    let policy = Plan::from_spec("bench", &spec, Path::new("/"))?.seccomp;
    policy.ok_or_else(|| Error::invalid("the default", "no filter", "a filter"))
}

/// The same policy with every rule in its turn. What a jump cannot reach in one instruction, it reaches by another.
fn linear(policy: &Policy) -> Vec<Insn> {
    let load = |offset| Insn { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset };
    let jump = |how: u32, k, jt, jf| Insn { code: (libc::BPF_JMP | how | libc::BPF_K) as u16, jt, jf, k };
    let ret = |action: Action| Insn { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action.0 };
    let one_after_the_other = |arch: &ArchRules| -> Vec<Insn> {
        let rules = arch.rules.iter().flat_map(seccomp::rule);
        let body: Vec<Insn> = [load(0)].into_iter().chain(rules).chain([ret(policy.default)]).collect();
        let past = Insn { jt: 0, jf: 0, code: (libc::BPF_JMP | libc::BPF_JA) as u16, k: body.len() as u32 };
        [vec![load(4), jump(libc::BPF_JEQ, arch.arch, 1, 0), past], body].concat()
    };
    policy.archs.iter().flat_map(one_after_the_other).chain([ret(Action::KILL_PROCESS)]).collect()
}

/// A thread that lives under a filter.
struct Worker {
    calls: Sender<Call>,
    times: Receiver<f64>,
}

impl Worker {
    fn start(filter: Vec<Insn>) -> Worker {
        let (calls, asked) = channel::<Call>();
        let (answer, times) = channel();
        thread::spawn(move || {
            if !filter.is_empty() {
                seccomp::no_new_privs().and_then(|()| seccomp::install(&filter, 0)).expect("a filter");
            }
            for call in asked {
                if answer.send(nanos(call)).is_err() {
                    return;
                }
            }
        });
        Worker { calls, times }
    }

    /// ns of one call.
    fn round(&self, call: Call) -> Result<f64> {
        let ended = || Error::invalid("the bench", "a thread that ended", "one that measures");
        self.calls.send(call).ok().ok_or_else(ended)?;
        self.times.recv().ok().ok_or_else(ended)
    }
}

fn nanos((number, argument): Call) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        // SAFETY: none of the three looks at memory; the last one is no call at all.
        unsafe { libc::syscall(number, argument) };
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn print(table: &str) {
    print!("{table}");
}

#[expect(clippy::print_stderr, reason = "nobody else prints it")]
fn fail(error: &Error) {
    eprintln!("{error}");
    std::process::exit(1);
}
