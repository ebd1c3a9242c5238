//! How the processors' time is shared between the classes: a pure function, tested by tables.
//!
//! Each class has an account, in nanoseconds of processor time. Whoever uses a processor pays for it, and
//! what is paid goes to all classes that have work, by their shares: so what they own is zero in sum, and
//! a class that uses just its share stays at zero.
//!
//! ```text
//!   balance   +│  has been kept waiting
//!             0│──────────────────────────▲── no longer overdrawn
//!              │  goes first by its class │
//!    -allowance│──▼───────────────────────┘
//!             -│  overdrawn: behind all that are not
//! ```
//!
//! Between the two thresholds the class alone decides, so that a higher one goes first as long as it
//! does not use more than its share; and what is paid back is paid in one go, so that a hog of a lower
//! class is not stopped again as soon as it has begun. Of the classes that have work one is always at
//! zero or above, and so not overdrawn: hence the lower ones have their shares.
//!
//! A class that has no work earns nothing, and pays off its debts as time goes by. (Stride scheduling
//! (Waldspurger and Weihl, 1995) with priorities inside its error bounds; the accounts are those of
//! Xen's credit scheduler.)

use preempt_sysmon::policy::Priority;
use std::time::Duration;

/// How many percent of the time a class that has something ready gets at least, and how the time is
/// shared above that. In the order of `Priority::ALL`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) weights: [u32; 3],
    pub(crate) floors: [u32; 3],
}

/// A factor of four from class to class: a higher one clearly goes before a lower one, which still gets
/// on. With them batch would have 4.8% beside both others: rounded up by a floor.
pub(crate) const DEFAULT_SHARES: Shares = Shares { weights: [16, 4, 1], floors: [5, 5, 5] };

impl Shares {
    /// The part of the time that each class has while just these have work. One in sum.
    fn among(&self, members: [bool; 3]) -> [f64; 3] {
        let mut shares = [0.0; 3];
        let mut by_weight = members;
        // Whoever would have less than its floor gets that, and the others share the rest; then one of
        // those may.
        loop {
            let sum = |of: &dyn Fn(usize) -> f64| (0..3).map(of).sum::<f64>();
            let rest = 1.0 - sum(&|i| if members[i] && !by_weight[i] { shares[i] } else { 0.0 });
            let weight = sum(&|i| if by_weight[i] { f64::from(self.weights[i]) } else { 0.0 });
            for class in (0..3).filter(|&class| by_weight[class]) {
                shares[class] = rest * f64::from(self.weights[class]) / weight;
            }
            let floor = |class: usize| f64::from(self.floors[class]) / 100.0;
            let poor = (0..3).find(|&class| by_weight[class] && shares[class] < floor(class));
            let Some(poor) = poor else { return shares };
            shares[poor] = floor(poor);
            by_weight[poor] = false;
        }
    }
}

/// What a runtime's accounts go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    shares: Shares,
    processors: f64,
    /// By how much a class may overdraw its account before it goes behind the others.
    allowance: f64,
    /// No account is further from zero than this: what was long ago is forgotten.
    limit: f64,
}

/// By how many time slices of every processor a balance can differ from zero. A poll overruns one by an
/// eighth and loses its processor soon after; but the clock also runs while the system lets a thread
/// wait, and a class is not to wait for long because of that.
const LIMIT_IN_SLICES: f64 = 4.0;

/// And by how much time at least: on a busy machine the system lets the monitor wait for some
/// milliseconds, however short the slices are.
const LEAST_LIMIT: Duration = Duration::from_millis(40);

/// The allowance in time slices of every processor: as a turn of the background, so that a class is kept
/// waiting for about a millisecond at a time, and not for long once in a while.
const ALLOWANCE_IN_SLICES: f64 = 0.1;

impl Rules {
    pub(super) fn new(shares: Shares, time_slice: Duration, processors: usize) -> Self {
        let processors = processors as f64;
        let slice = time_slice.as_nanos() as f64 * processors;
        Rules {
            shares,
            processors,
            allowance: slice * ALLOWANCE_IN_SLICES,
            limit: (slice * LIMIT_IN_SLICES).max(LEAST_LIMIT.as_nanos() as f64 * processors),
        }
    }
}

/// What has happened since the accounts were last settled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Period {
    /// In nanoseconds by the clock.
    pub(super) elapsed: u64,
    /// The processor time that each class has used.
    pub(super) used: [u64; 3],
    /// Which classes have something ready, or are in a poll.
    pub(super) have_work: [bool; 3],
}

/// The accounts of the classes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Accounts {
    balances: [f64; 3],
    overdrawn: [bool; 3],
}

impl Accounts {
    /// Settles the accounts for a period.
    pub(super) fn settle(&mut self, period: &Period, rules: &Rules) {
        let is_member = |class: usize| period.have_work[class] || period.used[class] > 0;
        let members = [0, 1, 2].map(is_member);
        for class in 0..3 {
            if members[class] {
                self.balances[class] -= period.used[class] as f64;
            } else {
                let mut with_it = members;
                with_it[class] = true;
                let share = rules.shares.among(with_it)[class];
                let earned = period.elapsed as f64 * rules.processors * share;
                self.balances[class] = (self.balances[class] + earned).min(0.0);
            }
        }
        let balance = |class: usize| if members[class] { self.balances[class] } else { 0.0 };
        let sum = (0..3).map(balance).sum::<f64>();
        let shares = rules.shares.among(members);
        for class in 0..3 {
            let balance = &mut self.balances[class];
            if members[class] {
                *balance = (*balance - sum * shares[class]).clamp(-rules.limit, rules.limit);
            }
            if *balance < -rules.allowance {
                self.overdrawn[class] = true;
            // A nanosecond is within the error of the sums.
            } else if *balance >= -1.0 {
                self.overdrawn[class] = false;
            }
        }
    }

    /// Who goes first.
    pub(super) fn order(&self) -> [Priority; 3] {
        let mut order = Priority::ALL;
        // Stable, and `false` goes first.
        order.sort_by_key(|&class| self.overdrawn[class as usize]);
        order
    }

    /// Who has not overdrawn its account.
    pub(super) fn entitled(&self) -> [bool; 3] {
        self.overdrawn.map(|overdrawn| !overdrawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{Batch, Latency, Normal};

    const MS: u64 = 1_000_000;

    fn rules(processors: usize) -> Rules {
        Rules::new(DEFAULT_SHARES, Duration::from_millis(10), processors)
    }

    /// Runs what the accounts put first, in pieces of one length, and returns the time that each class
    /// got. `wants`: whether a class has work at a time in milliseconds.
    fn simulate(
        piece: u64,
        pieces: u64,
        rules: &Rules,
        wants: impl Fn(usize, u64) -> bool,
    ) -> [u64; 3] {
        let (mut accounts, mut got) = (Accounts::default(), [0; 3]);
        let mut used = [0; 3];
        for now in (0..pieces).map(|nth| nth * piece) {
            let have_work = [0, 1, 2].map(|class| wants(class, now / MS));
            accounts.settle(&Period { elapsed: piece, used, have_work }, rules);
            used = [0; 3];
            let first = accounts.order().into_iter().find(|&class| have_work[class as usize]);
            if let Some(first) = first {
                used[first as usize] = piece;
                got[first as usize] += piece;
            }
        }
        got
    }

    fn parts(got: [u64; 3]) -> [f64; 3] {
        got.map(|time| time as f64 / got.iter().sum::<u64>() as f64)
    }

    fn assert_near(parts: [f64; 3], expected: [f64; 3]) {
        for (part, expected) in parts.into_iter().zip(expected) {
            assert!((part - expected).abs() < 0.01, "{parts:?}");
        }
    }

    #[test]
    fn shares_by_weight_and_floor() {
        #[rustfmt::skip]
        let table = [
            // weights,      floors,       members,               expected
            ([16, 4, 1],     [0, 0, 0],    [true,  true,  true],  [16.0 / 21.0, 4.0 / 21.0, 1.0 / 21.0]),
            ([16, 4, 1],     [5, 5, 5],    [true,  true,  true],  [0.76, 0.19, 0.05]),
            ([16, 4, 1],     [5, 5, 5],    [false, true,  true],  [0.0, 0.8, 0.2]),
            ([16, 4, 1],     [5, 5, 5],    [true,  false, false], [1.0, 0.0, 0.0]),
            ([16, 4, 1],     [5, 5, 5],    [false, false, false], [0.0, 0.0, 0.0]),
            ([100, 1, 1],    [10, 20, 30], [true,  true,  true],  [0.5, 0.2, 0.3]),
            ([100, 5, 1],    [0, 5, 50],   [true,  true,  true],  [0.45, 0.05, 0.5]),
            ([1, 1, 1],      [98, 1, 1],   [true,  true,  true],  [0.98, 0.01, 0.01]),
        ];
        for (weights, floors, members, expected) in table {
            let shares = Shares { weights, floors }.among(members);
            for (share, expected) in shares.into_iter().zip(expected) {
                let is_near = (share - expected).abs() < 0.03;
                assert!(is_near, "{weights:?} {floors:?} {members:?}: {shares:?}");
            }
            let sum = shares.iter().sum::<f64>();
            assert!(sum.abs() < 1e-9 || (sum - 1.0).abs() < 1e-9, "{shares:?}");
        }
    }

    #[test]
    fn the_highest_goes_first_until_it_has_overdrawn_its_account_and_paid_back() {
        let rules = rules(1);
        let mut accounts = Accounts::default();
        let mut step = |used, have_work| {
            accounts.settle(&Period { elapsed: MS, used, have_work }, &rules);
            accounts.order()
        };
        let all = [true; 3];
        assert_eq!(step([0; 3], all), [Latency, Normal, Batch]);
        assert_eq!(step([4 * MS, 0, 0], all), [Latency, Normal, Batch], "0.96 ms above its share");
        assert_eq!(step([MS, 0, 0], all), [Normal, Batch, Latency]);
        assert_eq!(step([0, MS / 2, 0], all), [Normal, Batch, Latency], "it is not even yet");
        assert_eq!(step([0, 0, 2 * MS], all), [Latency, Normal, Batch]);
    }

    #[test]
    fn hogs_of_all_classes_share_by_weight() {
        for piece in [MS / 100, MS, 10 * MS, 12 * MS] {
            let got = simulate(piece, 20_000, &rules(1), |_, _| true);
            assert_near(parts(got), [0.76, 0.19, 0.05]);
        }
        let got = simulate(10 * MS, 20_000, &rules(1), |class, _| class != 0);
        assert_near(parts(got), [0.0, 0.8, 0.2]);
    }

    #[test]
    fn whoever_uses_less_than_its_share_never_waits() {
        // Normal tasks for half of the time, a hog of the batch class always.
        let wants = |class, ms| class == 2 || (class == 1 && ms % 2 == 0);
        let got = simulate(MS, 10_000, &rules(1), wants);
        assert_eq!(got[1], 5_000 * MS);
        // Also in bursts, as long as one does not exceed the allowance: 3 ms at a fifth each.
        let wants = |class, ms| class == 2 || (class == 1 && ms % 5 < 3);
        assert_eq!(simulate(MS / 10, 100_000, &rules(1), wants)[1], 6_000 * MS);
    }

    #[test]
    fn a_class_that_leaves_little_room_leaves_the_share_of_the_others() {
        let wants = |class, ms| class == 2 || (class == 1 && ms % 100 < 95);
        let got = simulate(MS, 100_000, &rules(1), wants);
        let [_, normal, batch] = parts(got);
        assert!((0.19..0.26).contains(&batch) && normal > 0.7, "{got:?}");
    }

    #[test]
    fn debts_are_forgotten_while_there_is_no_work() {
        let rules = rules(1);
        let mut accounts = Accounts::default();
        let hog = Period { elapsed: 100 * MS, used: [100 * MS, 0, 0], have_work: [true; 3] };
        accounts.settle(&hog, &rules);
        assert_eq!(accounts.order()[2], Latency);
        let alone = Period { elapsed: 200 * MS, have_work: [false, true, false], ..hog };
        accounts.settle(&Period { used: [0; 3], ..alone }, &rules);
        accounts.settle(&Period { elapsed: 0, used: [0; 3], have_work: [true; 3] }, &rules);
        assert_eq!(accounts.order(), [Latency, Normal, Batch]);
    }

    #[test]
    fn what_was_long_is_not_paid_back_for_ever() {
        let rules = rules(1);
        let mut accounts = Accounts::default();
        let hour = 3_600_000 * MS;
        let hog = Period { elapsed: hour, used: [hour, 0, 0], have_work: [true; 3] };
        accounts.settle(&hog, &rules);
        let paid = Period { elapsed: MS, used: [0, MS, 0], have_work: [true; 3] };
        let pieces = (1..).find(|_| {
            accounts.settle(&paid, &rules);
            accounts.order()[0] == Latency
        });
        assert!(
            (50..80).contains(&pieces.unwrap()),
            "{pieces:?}: 4 slices, of which each earns 76%"
        );
    }

    #[test]
    fn whoever_is_alone_owes_nothing() {
        let rules = rules(2);
        let mut accounts = Accounts::default();
        let used = [0, 0, 3_600_000 * MS];
        let have_work = [false, false, true];
        accounts.settle(&Period { elapsed: 3_600_000 * MS, used, have_work }, &rules);
        assert_eq!(accounts.entitled(), [true; 3]);
    }

    #[test]
    fn one_of_those_that_have_work_is_always_entitled() {
        let rules = rules(3);
        let (mut accounts, mut random) = (Accounts::default(), 1_u64);
        for _ in 0..100_000 {
            let mut below = |limit: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) % limit
            };
            let have_work = [0; 3].map(|_| below(2) == 0);
            let used = have_work.map(|has| if has { below(100) * below(3) * MS } else { 0 });
            accounts.settle(&Period { elapsed: below(100) * MS, used, have_work }, &rules);
            let entitled = accounts.entitled();
            let one_is = (0..3).any(|class| have_work[class] && entitled[class]);
            assert!(one_is || have_work == [false; 3], "{accounts:?}");
        }
    }
}
