//! What a test needs of the machine, declared; unmet, the test is skipped loudly.

use std::fs;

use nix::unistd::{Uid, write};

/// Something that a machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The machine's own root, not that of a user namespace.
    Root,
    /// Being an ordinary user.
    User,
    /// A kernel of at least this version.
    Kernel(u32, u32),
    /// A cgroup of the test's own with this controller.
    Cgroup(&'static str),
    /// A cgroup of the test's own in version 2's tree, with a controller to hand down.
    CgroupV2,
    /// `newuidmap` and a range in `/etc/subuid`, or root, who needs neither.
    Subuid,
    /// A program in PATH.
    Program(&'static str),
    /// A kernel with Landlock switched on.
    Landlock,
    /// A machine that may be broken: a virtual one that was started for that.
    Disposable,
}

/// The word on the kernel's command line of a machine that may be broken.
pub const DISPOSABLE: &str = "boxwright.disposable";

impl Need {
    /// Why it is not met and how to get it; nothing when it is met.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let (met, how) = match self {
            Need::Root => (Uid::current().is_root(), "root: cargo lab test NN --root".to_owned()),
            Need::User => (!Uid::current().is_root(), "an ordinary user: run the tests without sudo".to_owned()),
            Need::Kernel(major, minor) => {
                (kernel() >= (major, minor), format!("kernel {major}.{minor}: this is {}.{}", kernel().0, kernel().1))
            }
            Need::Cgroup(controller) => (
                crate::cgroup::has_controller(controller),
                format!("cgroup {controller}: systemd-run --user --scope -p Delegate=yes cargo test"),
            ),
            Need::CgroupV2 => (
                crate::cgroup::has_v2(),
                "cgroup version 2, with a controller: systemd-run --user --scope -p Delegate=yes cargo test; or boot with \
                 systemd.unified_cgroup_hierarchy=1"
                    .to_owned(),
            ),
            Need::Subuid => {
                (subuid(), "subuid: apt install uidmap, and a line for you in /etc/subuid and /etc/subgid".to_owned())
            }
            Need::Program(name) => (program(name), format!("{name}: install it with your package manager")),
            Need::Landlock => (
                crate::sys::landlock_abi().is_some(),
                "landlock: Linux 5.13 with landlock in the list of security modules, lsm=landlock,… on its command line".to_owned(),
            ),
            Need::Disposable => (
                // Not the environment, which somebody could keep for too long.
                fs::read_to_string("/proc/cmdline").is_ok_and(|words| words.split(' ').any(|word| word.trim() == DISPOSABLE)),
                "a machine that may be broken: cargo lab vm".to_owned(),
            ),
        };
        (!met).then_some(how)
    }
}

/// The running kernel's version, major and minor.
#[must_use]
pub fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether a program of this name is in PATH.
#[must_use]
pub fn program(name: &str) -> bool {
    crate::rootfs::find(name).is_some()
}

fn subuid() -> bool {
    let user = nix::unistd::User::from_uid(Uid::current()).ok().flatten().map(|user| user.name);
    let names = [user.unwrap_or_default(), Uid::current().to_string()];
    let has_line = |file: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().any(|line| line.split(':').next().is_some_and(|name| names.iter().any(|own| own == name)))
    };
    program("newuidmap") && (Uid::current().is_root() || (has_line("/etc/subuid") && has_line("/etc/subgid")))
}

/// Prints the skip past libtest's capture, since a skip that nobody sees is taken for a pass. One write, so that
/// the lines of parallel tests do not mix.
pub fn skip(lab: &str, need: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = write(std::io::stderr(), format!("\nSKIP {lab}::{test}: needs {need}\n").as_bytes());
}

/// Skips the test, loudly, unless the machine has what it needs:
/// `needs!(root)`, `needs!(user)`, `needs!(cgroup = cpu)`, `needs!(cgroup_v2)`, `needs!(kernel = 5.12)`,
/// `needs!(subuid)`, `needs!(landlock)`, `needs!(disposable)`, `needs!(program = newuidmap)`; several at once with commas between.
#[macro_export]
macro_rules! needs {
    ($($need:ident $(= $value:tt)?),+ $(,)?) => {
        $(if let Some(missing) = $crate::needs!(@one $need $(= $value)?).missing() {
            return $crate::needs::skip(module_path!(), &missing);
        })+
    };
    (@one root) => { $crate::needs::Need::Root };
    (@one user) => { $crate::needs::Need::User };
    (@one landlock) => { $crate::needs::Need::Landlock };
    (@one disposable) => { $crate::needs::Need::Disposable };
    (@one subuid) => { $crate::needs::Need::Subuid };
    (@one cgroup_v2) => { $crate::needs::Need::CgroupV2 };
    (@one cgroup = $controller:tt) => { $crate::needs::Need::Cgroup(stringify!($controller)) };
    (@one program = $name:literal) => { $crate::needs::Need::Program($name) };
    (@one program = $name:tt) => { $crate::needs::Need::Program(stringify!($name)) };
    (@one kernel = $version:tt) => {{
        let version = $crate::needs::version(stringify!($version));
        $crate::needs::Need::Kernel(version.0, version.1)
    }};
}

/// `5.12` as two numbers.
#[must_use]
pub fn version(text: &str) -> (u32, u32) {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}
