//! What a spare machine waits for: a processor, or to be sent home.
//!
//! # No processor is lost (proof sketch)
//! What is offered is written under the lock before the unpark, and read under the lock after the park; an
//! unpark before the park is kept (`parker.rs`). Only a machine that waits, or is about to, is offered a
//! processor, by the one who has taken it off the list of spare ones: so nothing is overwritten.
//!
//! Models: `loom_*` at the end of this file.

use super::parker::Parker;
use crate::sync::Mutex;

pub(super) struct Offer {
    offered: Mutex<Offered>,
    parker: Parker,
}

enum Offered {
    Nothing,
    Processor(usize),
    /// The runtime has shut down.
    Leave,
}

impl Offer {
    pub(super) fn new() -> Self {
        Offer { offered: Mutex::new(Offered::Nothing), parker: Parker::new() }
    }

    /// Offers a processor, which the caller holds.
    pub(super) fn make(&self, processor: usize) {
        self.set(Offered::Processor(processor));
    }

    /// From now on there is none.
    pub(super) fn dismiss(&self) {
        self.set(Offered::Leave);
    }

    fn set(&self, offered: Offered) {
        *self.offered.lock() = offered;
        let _done = self.parker.unpark();
    }

    /// Sleeps until there is a processor; `None`: there will be none.
    pub(super) fn wait(&self) -> Option<usize> {
        loop {
            let mut offered = self.offered.lock();
            match *offered {
                Offered::Nothing => {}
                Offered::Processor(processor) => {
                    *offered = Offered::Nothing;
                    return Some(processor);
                }
                // Stays: the machine asks again if it has gone on with a detached poll.
                Offered::Leave => return None,
            }
            drop(offered);
            self.parker.park();
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// `Machines`, with one machine.
    struct Roll {
        is_spare: bool,
        closed: bool,
    }

    /// The machine waits, works, comes back, and is offered another processor or sent home. A processor
    /// that is lost shows as a deadlock of the model.
    #[test]
    fn loom_a_machine_that_waits_finds_what_it_is_offered() {
        loom::model(|| {
            let offer = Arc::new(Offer::new());
            let roll = Arc::new(Mutex::new(Roll { is_spare: true, closed: false }));
            let machine = thread::spawn({
                let (offer, roll) = (offer.clone(), roll.clone());
                move || {
                    let mut worked = Vec::new();
                    while let Some(processor) = offer.wait() {
                        worked.push(processor);
                        // `Machines::put_back`.
                        let mut roll = roll.lock();
                        match roll.closed {
                            true => offer.dismiss(),
                            false => roll.is_spare = true,
                        }
                    }
                    worked
                }
            });
            let mut offered = Vec::new();
            for processor in [1, 2] {
                // `Machines::obtain`.
                if std::mem::take(&mut roll.lock().is_spare) {
                    offer.make(processor);
                    offered.push(processor);
                }
            }
            // `Machines::close`.
            let mut roll = roll.lock();
            roll.closed = true;
            if std::mem::take(&mut roll.is_spare) {
                offer.dismiss();
            }
            drop(roll);
            assert_eq!(machine.join().unwrap(), offered);
        });
    }
}
