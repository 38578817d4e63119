//! System calls by name: their numbers, which every architecture has its own of, and which names there are at all.

use oci_spec::runtime::Arch;

use super::{X32_BIT, X86_64};

/// The numbers of an architecture's calls.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) oci: Arch,
    pub(super) audit: u32,
    /// What is set in each number.
    pub(super) bit: u32,
    pub(super) number: fn(&str) -> Option<u32>,
}

/// The number that the crate's table has for a name. The one that is a word of Rust has Rust's mark there.
macro_rules! number {
    ($module:ident, $name:expr) => {{
        let name = if $name == "break" { "r#break" } else { $name };
        name.parse::<syscalls::$module::Sysno>().ok().map(|call| call.id() as u32)
    }};
}

macro_rules! table {
    ($oci:ident, $module:ident, $audit:expr, $bit:expr) => {
        Table { oci: Arch::$oci, audit: $audit, bit: $bit, number: |name| number!($module, name) }
    };
}

/// Source: `<linux/audit.h>`.
pub(super) const TABLES: [Table; 5] = [
    table!(ScmpArchX86_64, x86_64, X86_64, 0),
    table!(ScmpArchX32, x86_64, X86_64, X32_BIT),
    table!(ScmpArchX86, x86, 0x4000_0003, 0),
    table!(ScmpArchAarch64, aarch64, 0xc000_00b7, 0),
    Table { number: number_on_arm, ..table!(ScmpArchArm, arm, 0x4000_0028, 0) },
];
/// Of what this machine's kernel may run: a program for another one never gets as far as to a call. The first is always among
/// those of a policy.
#[cfg(target_arch = "x86_64")]
pub(super) const OWN: &[Table] = TABLES.first_chunk::<3>().unwrap();
#[cfg(target_arch = "aarch64")]
pub(super) const OWN: &[Table] = TABLES.last_chunk::<2>().unwrap();

/// Those of ARM alone, behind all others, which the crate does not have. Source: ARM's `<asm/unistd.h>`, `__ARM_NR_BASE`.
const ARM: [(&str, u32); 6] = [
    ("breakpoint", 0xf_0001),
    ("cacheflush", 0xf_0002),
    ("usr26", 0xf_0003),
    ("usr32", 0xf_0004),
    ("set_tls", 0xf_0005),
    ("get_tls", 0xf_0006),
];

fn number_on_arm(name: &str) -> Option<u32> {
    let own = ARM.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    own.or_else(|| number!(arm, name))
}

macro_rules! everywhere {
    ($($module:ident)+) => {
        /// Whether any architecture has a call of this name.
        pub(super) fn is_known(name: &str) -> bool {
            number_on_arm(name).is_some() $(|| number!($module, name).is_some())+
        }

        /// The one of all names that is most like `name`.
        pub(super) fn nearest(name: &str) -> &'static str {
            // The crate's own iterators leave out the last.
            let own = std::iter::empty() $(.chain(syscalls::$module::Sysno::iter().chain([syscalls::$module::Sysno::last()]).map(|call| call.name())))+;
            let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
            own.chain(ARM.map(|(known, _)| known)).min_by_key(distance).unwrap_or_default()
        }
    };
}
// This machine's kin first: of two that are as near, the first is meant.
everywhere!(x86_64 aarch64 x86 arm loongarch64 mips mips64 powerpc powerpc64 riscv32 riscv64 s390x sparc sparc64);
