//! The command line: what may be said. What it means is in `spec.rs`.

use std::path::PathBuf;
use std::str::FromStr;

use model::NsKind;

use crate::images::{Based, Images, Pull};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs containers, on the labs that you wrote.
#[derive(Debug, Parser)]
#[command(name = "boxwright", version, disable_help_subcommand = true)]
pub struct Flags {
    /// Where the state of running containers is kept [default: $BOXWRIGHT_ROOT, or /run/boxwright for root,
    /// or $XDG_RUNTIME_DIR/boxwright, or /tmp/boxwright-UID]
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command in a new container and wait for its end; the exit code is the command's
    ///
    /// `run IMAGE [CMD…]` makes it from an image, which is fetched when it is not there, and runs CMD, or what the image says;
    /// `run CMD` runs on the host's own root file system, `run --rootfs DIR CMD` on DIR. The first word is an image when there is
    /// one of this name, or when no program is found by it; `run -- CMD` is a command whatever there is (lab 13).
    ///
    /// A step whose lab is not written yet is left out, and a line says so. Other exit codes: 125 boxwright
    /// failed, 126 the command cannot be run, 127 it was not found, 128+n signal n ended it, 2 wrong use,
    /// 70 a flag asks for a lab that is not written.
    Run(Box<Run>),
    /// Run one more command in a container that runs, and wait for its end (lab 15)
    ///
    /// It may do what the container may, no more, and is in its cgroup. Exit codes are those of `run`; but 1 when there is no such
    /// container, or boxwright failed.
    Exec(Box<Exec>),
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would take the line for the help text of the whole program")]
    Images(Images),
    /// Be an OCI runtime, in runc's words: `runbox --help` tells them (lab 16)
    Runbox(Box<crate::runbox::Flags>),
    /// List the namespaces of a process, and who shares them (lab 00)
    Ns {
        /// The process [default: boxwright itself, and so your shell's namespaces]
        #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
        pid: Option<i32>,
    },
    /// List the running containers
    Ps {
        /// Those too that have ended, and whose layers are kept (lab 12)
        #[arg(short, long)]
        all: bool,
    },
    /// Show what a container has added (A), changed (C) and deleted (D) in its root file system (lab 12)
    Diff {
        /// The container; it may have ended
        name: String,
    },
    /// Remove containers that have ended, and what they have written (lab 12)
    Rm {
        /// The containers
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Look at the named volumes, or remove some (lab 06)
    #[command(subcommand)]
    Volume(Volume),
    /// Show what the running containers use, again each second (lab 08)
    Stats {
        /// Once, and end
        #[arg(long)]
        no_stream: bool,
        /// A table for people, or JSON for programs, a line a container
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: Format,
        /// The containers [default: all]
        names: Vec<String>,
    },
    /// Stop every process of a container until `unpause` (lab 08)
    Pause {
        /// The container
        name: String,
    },
    /// Let a paused container go on (lab 08)
    Unpause {
        /// The container
        name: String,
    },
    /// Change how much a running container may use (labs 07 and 08)
    #[command(mut_group("Limits", |group| group.required(true)), override_usage = "boxwright update <LIMIT>… <NAME>")]
    Update {
        /// How much.
        #[command(flatten)]
        limits: Box<Limits>,
        /// The container
        name: String,
    },
    /// Show what a container is, and what it may do, as JSON (lab 09); or what an image is (lab 13)
    Inspect {
        /// The container or the image
        name: String,
    },
    /// List the processes of a container, by their PIDs inside and outside (lab 03)
    Top {
        /// The container, as `boxwright ps` names it
        name: String,
    },
}

/// How much a container may use. Sizes are `512m`, `1.5g` and the like.
#[derive(Debug, Clone, Default, Args)]
pub struct Limits {
    /// Processor time: 1.5 is one and a half processors (lab 07)
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub cpus: Option<String>,
    /// µs of processor time in each period; -1 for no limit (lab 07)
    #[arg(long, value_name = "US", allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// The period, 1000 to 1000000 µs [default: 100000] (lab 07)
    #[arg(long, value_name = "US")]
    pub cpu_period: Option<u64>,
    /// The weight against others that want the processor too, 2 to 262144 [default: 1024] (lab 07)
    #[arg(long, value_name = "SHARES")]
    pub cpu_shares: Option<u64>,
    /// The processors that it may run on: 0-2,4 (lab 07)
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes that it may use (lab 07)
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Memory, 6m or more; what wants more is ended (lab 08)
    #[arg(short, long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory: Option<String>,
    /// Memory and swap together; -1 for as much swap as there is [default: twice --memory] (lab 08)
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// What is left to it when the machine runs short of memory (lab 08)
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory_reservation: Option<String>,
    /// How many processes and threads; 0 or -1 for no limit (lab 08)
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// The weight against others that use the disks too, 10 to 1000 (lab 08)
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,
    /// Bytes a second that it may read from a device (lab 08)
    #[arg(long, value_name = "PATH:SIZE")]
    pub device_read_bps: Vec<String>,
    /// Bytes a second that it may write to a device (lab 08)
    #[arg(long, value_name = "PATH:SIZE")]
    pub device_write_bps: Vec<String>,
    /// Reads a second from a device (lab 08)
    #[arg(long, value_name = "PATH:NUMBER")]
    pub device_read_iops: Vec<String>,
    /// Writes a second to a device (lab 08)
    #[arg(long, value_name = "PATH:NUMBER")]
    pub device_write_iops: Vec<String>,
}

impl Limits {
    /// The labs that a flag asks for by name.
    #[must_use]
    pub fn asks_for(&self) -> Vec<u8> {
        let cpu = [self.cpu_quota.is_some(), self.cpu_period.is_some(), self.cpu_shares.is_some()];
        let sets = [&self.cpus, &self.cpuset_cpus, &self.cpuset_mems].into_iter().any(Option::is_some);
        let sizes = [&self.memory, &self.memory_swap, &self.memory_reservation].into_iter().any(Option::is_some);
        let rates = [&self.device_read_bps, &self.device_write_bps, &self.device_read_iops, &self.device_write_iops];
        let others = self.pids_limit.is_some() || self.blkio_weight.is_some();
        let limits = sizes || others || rates.into_iter().any(|rates| !rates.is_empty());
        let requests = [(sets || cpu.contains(&true) || limits, 7), (limits, 8)];
        requests.into_iter().filter_map(|(is_asked, lab)| is_asked.then_some(lab)).collect()
    }
}

/// What to do with volumes.
#[derive(Debug, Subcommand)]
pub enum Volume {
    /// List the named volumes
    Ls,
    /// Show where a volume's content is on the host, and which running containers use it
    Inspect {
        /// The volume
        name: String,
    },
    /// Remove volumes that no running container uses, and what is in them
    Rm {
        /// The volumes
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// The flags of `run`. Those after the command are the command's.
#[derive(Debug, Clone, Args)]
pub struct Run {
    /// The host name inside, 1 to 64 bytes [default: the container's name] (lab 01)
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// The NIS domain name inside, 1 to 64 bytes (lab 01)
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// Message queues, semaphores and shared memory of its own, the host's, or another container's: private, host or
    /// container:NAME [default: private] (lab 02; another's: lab 15)
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<Whose>,
    /// The network: host or container:NAME [default: host] (lab 15)
    #[arg(long, value_name = "MODE")]
    pub network: Option<Whose>,
    /// PIDs of its own, or another container's, whose processes it sees then: private or container:NAME [default: private] (lab
    /// 03; another's: lab 15)
    #[arg(long, value_name = "MODE")]
    pub pid: Option<Whose>,
    /// The host name: private or container:NAME [default: private] (lab 01; another's: lab 15)
    #[arg(long, value_name = "MODE")]
    pub uts: Option<Whose>,
    /// User and group ids of its own, or the host's [default: an ordinary user's container has its own] (lab 09)
    #[arg(long, value_name = "MODE")]
    pub userns: Option<Userns>,
    /// As root: give it the ids that /etc/subuid and /etc/subgid have for this user, so that its root is nobody on the
    /// host (lab 09)
    #[arg(long, value_name = "USER")]
    pub userns_remap: Option<String>,
    /// Who the command runs as, by the container's own /etc/passwd and /etc/group [default: root] (lab 10)
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// One more group for it (lab 10)
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Let it keep a capability beside the usual 14, or ALL (lab 10)
    #[arg(long, value_name = "NAME")]
    pub cap_add: Vec<String>,
    /// Take one of them away, or ALL (lab 10)
    #[arg(long, value_name = "NAME")]
    pub cap_drop: Vec<String>,
    /// Keep nothing from it: every capability and every device of the host, no path hidden (lab 10)
    #[arg(long)]
    pub privileged: bool,
    /// seccomp=FILE|unconfined, no-new-privileges, landlock=DIR (nothing else can be written), apparmor=PROFILE,
    /// label=type:TYPE, … (lab 11)
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Start a small init as PID 1, which reaps orphans and passes signals on, and the command as its child (lab 03)
    #[arg(long)]
    pub init: bool,
    /// The directory that is seen as /, and stays as it is: the container writes to a layer of its own (lab 12; before, to
    /// DIR itself); or the word `host`: a small one is built from this machine's own programs, and removed at the end
    /// [default: the host's /] (labs 04 and 05)
    #[arg(long, value_name = "DIR|host")]
    pub rootfs: Option<PathBuf>,
    /// How it gets a layer of its own: by an overlay, by a full copy, or by a snapshot, when DIR is a btrfs subvolume
    /// [default: overlay, else vfs] (lab 12)
    #[arg(long, value_name = "DRIVER")]
    pub storage_driver: Option<Driver>,
    /// Let a file or directory of the host (an absolute path or ./relative), or a volume by its name, be seen at
    /// DST; DST alone gets a volume that goes with the container; idmap: to a remapped container too, files belong to whom
    /// they belong to on the disk (lab 06)
    #[arg(short, long, value_name = "[SRC:]DST[:ro,idmap]")]
    pub volume: Vec<String>,
    /// The same in Docker's longer words: type=bind|volume|tmpfs,source=SRC,target=DST,readonly, … (lab 06)
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub mount: Vec<String>,
    /// Mount an empty directory in memory at DST (lab 06)
    #[arg(long, value_name = "DST[:size=64m,mode=1777]")]
    pub tmpfs: Vec<String>,
    /// Let nothing be written to / but what is mounted below it (lab 06)
    #[arg(long)]
    pub read_only: bool,
    /// How much it may use.
    #[command(flatten)]
    pub limits: Limits,
    /// How readily the kernel ends it when the machine's memory is used up, -1000 to 1000 (lab 08)
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    pub oom_score_adj: Option<i32>,
    /// Give it a device of the host, and of it no more than the letters say: read, write, mknod (lab 08)
    #[arg(long, value_name = "SRC[:DST][:rwm]")]
    pub device: Vec<String>,
    /// Let it use devices by their numbers, if it makes their nodes itself: 'c 1:11 r' (lab 08)
    #[arg(long, value_name = "RULE")]
    pub device_cgroup_rule: Vec<String>,
    /// Run this in place of the image's own entry point; the image's command is not added then (lab 13)
    #[arg(long, value_name = "CMD")]
    pub entrypoint: Option<String>,
    /// When to fetch the image [default: missing] (lab 13)
    #[arg(long, value_name = "WHEN")]
    pub pull: Option<Pull>,
    /// The image for this platform: linux/arm64 [default: this machine's] (lab 13)
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// What the image says.
    #[arg(skip)]
    pub image: Option<Based>,
    /// Whether `--` stood before the command, so that it cannot be an image.
    #[arg(skip)]
    pub is_exact: bool,
    /// Set an environment variable; the host's own are not passed on
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// The working directory inside [default: / with --rootfs, else where you are]
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<PathBuf>,
    /// Give the command your standard input; without, it reads /dev/null
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the command a terminal of its own
    #[arg(short, long)]
    pub tty: bool,
    /// Run no command: hold the namespaces, for other containers to share, until a SIGTERM, as a pod's pause process does (lab 15)
    #[arg(long, conflicts_with_all = ["init", "command"])]
    pub hold: bool,
    /// The container's name [default: 12 random hexadecimal digits]
    #[arg(long)]
    pub name: Option<String>,
    /// Let what it has written go with it; else it is kept until `boxwright rm` (lab 12; before, nothing is kept)
    #[arg(long)]
    pub rm: bool,
    /// The command and its arguments
    #[arg(required_unless_present = "hold", trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// The flags of `exec`. Those after the container's name are the command's.
#[derive(Debug, Args)]
pub struct Exec {
    /// Give the command your standard input; without, it reads /dev/null
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the command a terminal of its own
    #[arg(short, long)]
    pub tty: bool,
    /// Who the command runs as, by the container's own /etc/passwd and /etc/group [default: as the container's own command]
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Set an environment variable, beside those of the container
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// The working directory inside [default: the container's]
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<PathBuf>,
    /// Give it every capability, more than the container has
    #[arg(long)]
    pub privileged: bool,
    /// The container
    pub name: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// How something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs: one object a line.
    Json,
}

/// How a container gets a root file system of its own from one that it shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// What is written is copied then, and nothing else.
    Overlay,
    /// Everything is copied before it starts.
    Vfs,
    /// What is written is copied then, block by block.
    Btrfs,
}

/// Whose namespace a container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Its own.
    Private,
    /// The host's.
    Host,
    /// That of the container with this name.
    Container(String),
}

impl FromStr for Whose {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("container:")) {
            ("private", _) => Ok(Whose::Private),
            ("host", _) => Ok(Whose::Host),
            (_, Some(name)) if !name.is_empty() => Ok(Whose::Container(name.to_owned())),
            _ => Err("private, host or container:NAME"),
        }
    }
}

/// Whose user and group ids the container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Userns {
    /// Its own.
    Private,
    /// The host's.
    Host,
}

impl Run {
    /// The kinds of namespaces that it shares with other containers, and those containers' names.
    #[must_use]
    pub fn others(&self) -> Vec<(NsKind, &str)> {
        let all = [
            (NsKind::Ipc, &self.ipc),
            (NsKind::Net, &self.network),
            (NsKind::Pid, &self.pid),
            (NsKind::Uts, &self.uts),
        ];
        let one = |(kind, whose): (NsKind, _)| match whose {
            &Some(Whose::Container(ref name)) => Some((kind, name.as_str())),
            _ => None,
        };
        all.into_iter().filter_map(one).collect()
    }

    /// Whether a flag makes sense with an image alone.
    #[must_use]
    pub fn asks_for_an_image(&self) -> bool {
        self.entrypoint.is_some() || self.pull.is_some() || self.platform.is_some()
    }

    /// The labs that a flag asks for by name. What is a default is no request.
    #[must_use]
    pub fn asks_for(&self) -> Vec<u8> {
        let mounts = self.read_only || [&self.volume, &self.mount, &self.tmpfs].iter().any(|flags| !flags.is_empty());
        let user = self.user.is_some() || !self.group_add.is_empty();
        let caps = self.privileged || !self.cap_add.is_empty() || !self.cap_drop.is_empty();
        let devices = !self.device.is_empty() || !self.device_cgroup_rule.is_empty();
        let requests = [
            (self.hostname.is_some() || self.domainname.is_some(), 1),
            (self.ipc == Some(Whose::Private), 2),
            (self.uts == Some(Whose::Private), 1),
            (self.pid.is_some(), 3),
            (self.userns == Some(Userns::Private) || self.userns_remap.is_some(), 9),
            (self.init || self.hold, 3),
            // Both change the mounts of their namespace: without lab 04's, the host's.
            (self.rootfs.is_some() || mounts, 4),
            (self.rootfs.is_some(), 5),
            // Nodes are made where lab 06 finds the place.
            (mounts || !self.device.is_empty(), 6),
            (devices, 7),
            (devices || self.oom_score_adj.is_some(), 8),
            (user || caps, 10),
            (!self.security_opt.is_empty(), 11),
            (self.storage_driver.is_some(), 12),
            (self.asks_for_an_image(), 13),
            (self.hold || !self.others().is_empty(), 15),
        ];
        let own = requests.into_iter().filter_map(|(is_asked, lab)| is_asked.then_some(lab));
        own.chain(self.limits.asks_for()).collect()
    }
}
