//! Random numbers, and such that can be had again.

/// Where a test's random numbers start; one that fails says where its own did.
pub const SEED: &str = "BOXWRIGHT_SEED";

/// 64 bits from the kernel, and not from a state of this process: that would be copied by fork, and all shields of a test would have
/// the same.
#[must_use]
pub fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|error| panic!("getrandom: {error}"))
}

/// Numbers that no solution can know beforehand. When the test that uses them fails, their seed is printed.
#[derive(Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// From [`SEED`], or from another seed each time.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Random {
        let asked = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
        let seed = asked.unwrap_or_else(random);
        Random { seed, state: seed }
    }

    /// 64 bits. Source: splitmix64, which is public domain.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// One of them.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // One write, past libtest's capture, as for a skip.
            let line = format!("\nthe same numbers again: {SEED}={}\n", self.seed);
            let _ = nix::unistd::write(std::io::stderr(), line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let mut first = Random::new();
        let mut again = Random { seed: first.seed, state: first.seed };
        let numbers = |random: &mut Random| [(); 4].map(|()| random.bits());
        let seen = numbers(&mut first);
        assert_eq!(seen, numbers(&mut again));
        assert_ne!(seen[0], seen[1]);
    }
}
