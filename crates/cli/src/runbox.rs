//! runbox's command line: runc's words, which engines and the OCI conformance suites send.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// The version of the OCI runtime specification that is followed.
pub const OCI_VERSION: &str = "1.2.0";
/// After the program's name.
const VERSION: &str = concat!("version ", env!("CARGO_PKG_VERSION"), "\nspec: 1.2.0");

/// An OCI runtime: makes and runs the container that a bundle describes.
#[derive(Debug, Parser)]
#[command(name = "runbox", version = VERSION, disable_version_flag = true, disable_help_subcommand = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Flags {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What stands before the command.
#[derive(Debug, Args)]
pub struct Global {
    /// Where the state of containers is kept [default: $XDG_RUNTIME_DIR/runbox, but for the machine's root; where that is not set,
    /// /run/runbox for root, and /tmp/runbox-UID]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Where errors are written, beside standard error
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How they are written there
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Accepted: there is nothing more to tell
    #[arg(long)]
    pub debug: bool,
    /// Accepted: `linux.cgroupsPath` of the form SLICE:PREFIX:NAME becomes a path
    #[arg(long)]
    pub systemd_cgroup: bool,
    /// Accepted: whoever is not root is rootless
    #[arg(long, value_name = "true|false|auto", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub rootless: Option<String>,
    /// Accepted, as --systemd-cgroup is
    #[arg(long, value_name = "cgroupfs|systemd")]
    pub cgroup_manager: Option<String>,
    /// Accepted: no CRIU is called
    #[arg(long, value_name = "FILE", hide = true)]
    pub criu: Option<PathBuf>,
    /// Show the version, and that of the specification
    #[arg(short = 'v', long, action = ArgAction::Version)]
    pub version: Option<bool>,
}

/// How errors are written to the log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// An object a line, with `level`, `msg` and `time`.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
// Of these, only the one that is called is described to clap.
#[command(defer = true)]
pub enum Command {
    /// Make a container, and stop before its command
    Create(Create),
    /// Start the command of a container that is made
    Start {
        /// The container
        id: String,
    },
    /// Make a container, start it, wait for its end and delete it; the exit code is the command's
    Run(Run),
    /// Show a container's state, as JSON
    State {
        /// The container
        id: String,
    },
    /// Send a signal to a container's first process
    Kill {
        /// To all of its processes
        #[arg(short, long)]
        all: bool,
        /// The container
        id: String,
        /// By name or by number
        #[arg(default_value = "SIGTERM")]
        signal: String,
    },
    /// Remove what is left of a container that has ended
    Delete {
        /// End it first, and do not complain if it is not there
        #[arg(short, long)]
        force: bool,
        /// The container
        id: String,
    },
    /// Run another process in a container
    Exec(Box<Exec>),
    /// List a container's processes
    Ps {
        /// How
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        format: Format,
        /// The container
        id: String,
        /// What ps(1) is to be asked for, in place of `-ef`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// List the containers
    List {
        /// How
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        format: Format,
        /// Their names alone
        #[arg(short, long)]
        quiet: bool,
    },
    /// Show what a container uses, and when its memory runs out, as JSON
    Events {
        /// How often
        #[arg(long, default_value = "5s")]
        interval: String,
        /// Once, and end
        #[arg(long)]
        stats: bool,
        /// The container
        id: String,
    },
    /// Stop a container's processes where they are
    Pause {
        /// The container
        id: String,
    },
    /// Let a paused container go on
    Resume {
        /// The container
        id: String,
    },
    /// Change how much a container may use
    Update(Box<Update>),
    /// Write a config.json to begin with
    Spec {
        /// Where
        #[arg(short, long, value_name = "DIR")]
        bundle: Option<PathBuf>,
        /// For an ordinary user
        #[arg(long)]
        rootless: bool,
    },
    /// Show what this runtime can do, as JSON
    Features,
    /// Refused: it takes CRIU, which this runtime does not call
    #[command(hide = true)]
    Checkpoint(Refused),
    /// Refused: it takes CRIU, which this runtime does not call
    #[command(hide = true)]
    Restore(Refused),
}

/// How a container is made.
#[derive(Debug, Args)]
pub struct Create {
    /// The directory with config.json
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// A Unix socket that gets the container's terminal
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// A file for the PID of its first process
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// How many descriptors from 3 on the command gets too
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub preserve_fds: u32,
    /// Refused: the root is always switched by pivot_root
    #[arg(long)]
    pub no_pivot: bool,
    /// Leave it the caller's session keyring, in place of one of its own
    #[arg(long)]
    pub no_new_keyring: bool,
    /// Its name
    pub id: String,
}

/// How a container is run.
#[derive(Debug, Args)]
pub struct Run {
    /// How it is made.
    #[command(flatten)]
    pub create: Create,
    /// Leave it running, and end
    #[arg(short, long)]
    pub detach: bool,
    /// Leave what is left of it when it has ended
    #[arg(long)]
    pub keep: bool,
    /// Accepted: runbox takes no orphans
    #[arg(long)]
    pub no_subreaper: bool,
}

/// Another process in a container.
#[derive(Debug, Args)]
pub struct Exec {
    /// A Unix socket that gets the process's terminal
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// Its working directory
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// A variable of its environment
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// A terminal of its own
    #[arg(short, long)]
    pub tty: bool,
    /// Who it is, by numbers
    #[arg(short, long, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// Another group that it is in
    #[arg(short = 'g', long, value_name = "GID")]
    pub additional_gids: Vec<u32>,
    /// A file with `process` of the OCI configuration, in place of a command
    #[arg(short, long, value_name = "FILE")]
    pub process: Option<PathBuf>,
    /// Leave it running, and end
    #[arg(short, long)]
    pub detach: bool,
    /// A file for its PID
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Its SELinux label
    #[arg(long, value_name = "LABEL")]
    pub process_label: Option<String>,
    /// Its AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    pub apparmor: Option<String>,
    /// No program that it starts gets more power than it has
    #[arg(long)]
    pub no_new_privs: bool,
    /// A capability more
    #[arg(short, long, value_name = "CAP")]
    pub cap: Vec<String>,
    /// How many descriptors from 3 on it gets too
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub preserve_fds: u32,
    /// A cgroup below the container's, for it, which is there already
    #[arg(long, value_name = "[CONTROLLER,…:]PATH")]
    pub cgroup: Option<String>,
    /// In a container that is paused, too: it begins when that goes on
    #[arg(long)]
    pub ignore_paused: bool,
    /// The container
    pub id: String,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// Other limits.
#[derive(Debug, Args)]
pub struct Update {
    /// A file with `linux.resources` of the OCI configuration; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub resources: Option<PathBuf>,
    /// Weight for block devices, 10 to 1000
    #[arg(long)]
    pub blkio_weight: Option<u16>,
    /// µs in a period
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// µs of processor time in a period
    #[arg(long, allow_negative_numbers = true)]
    pub cpu_quota: Option<i64>,
    /// Weight for processors
    #[arg(long, visible_alias = "cpu-shares")]
    pub cpu_share: Option<u64>,
    /// Processors
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Bytes of memory
    #[arg(long, allow_negative_numbers = true)]
    pub memory: Option<i64>,
    /// Bytes that are left to it when the machine runs short
    #[arg(long, allow_negative_numbers = true)]
    pub memory_reservation: Option<i64>,
    /// Bytes of memory and swap together
    #[arg(long, allow_negative_numbers = true)]
    pub memory_swap: Option<i64>,
    /// Processes and threads
    #[arg(long, allow_negative_numbers = true)]
    pub pids_limit: Option<i64>,
    /// The container
    pub id: String,
}

/// A command that is refused, whatever it is called with.
#[derive(Debug, Args)]
pub struct Refused {
    /// Anything.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub anything: Vec<String>,
}

/// A table for people, or JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table.
    Table,
    /// JSON.
    Json,
}
