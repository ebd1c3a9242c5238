//! Goal: a fiber that is left and continued, here or on another machine, notices nothing, and what
//! publishes it runs after the switch. Method: small scenarios on every backend.

#![cfg(unix)]

mod common;

use common::{Queue, on_a_fiber, on_every_backend, pool_with};
use preempt_fiber::{Leave, Machine, Suspended, current, injecting, resume, start};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

thread_local! {
    static NAME: RefCell<String> = const { RefCell::new(String::new()) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

#[test]
fn work_runs_on_the_fiber_and_comes_back() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 1);
        assert!(current().is_none());
        let (id, token) = on_a_fiber(&pool, || {
            let here = current().expect("on a fiber");
            assert!(!injecting());
            (here.id(), here.machine_token())
        });
        assert_eq!(token, 1);
        assert!(current().is_none());
        assert_eq!(pool.take_spare().map(|spare| spare.id()), Some(id));
    });
}

#[test]
fn fibers_alternate() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let second = pool.take_spare().unwrap();
        let steps = on_a_fiber(&pool, move || {
            let (there, back) = (Queue::default(), Queue::default());
            let steps = Arc::new(AtomicUsize::new(0));
            let work = {
                let (there, back, steps) = (there.clone(), back.clone(), Arc::clone(&steps));
                move || {
                    for _ in 0..1000 {
                        assert_eq!(steps.fetch_add(1, SeqCst) % 2, 0);
                        resume(back.take(), there.publisher());
                    }
                    Leave::Resume(back.take())
                }
            };
            start(second, work, back.publisher());
            for _ in 0..1000 {
                assert_eq!(steps.fetch_add(1, SeqCst) % 2, 1);
                resume(there.take(), back.publisher());
            }
            steps.load(SeqCst)
        });
        assert_eq!(steps, 2000);
        assert_eq!(pool.spares(), 2);
    });
}

#[test]
fn each_fiber_has_its_own_thread_locals_and_identity() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let second = pool.take_spare().unwrap();
        on_a_fiber(&pool, move || {
            let id = thread::current().id();
            NAME.set("first".to_owned());
            NAME.with_borrow_mut(|name| {
                let queue = Queue::default();
                let publish = queue.publisher();
                let work = move || {
                    assert_ne!(thread::current().id(), id);
                    // Borrowed by the first fiber, but in another block.
                    NAME.with_borrow_mut(|name| {
                        assert_eq!(name, "");
                        name.push_str("second");
                    });
                    Leave::Resume(queue.take())
                };
                start(second, work, publish);
                assert_eq!(name, "first");
            });
            assert_eq!(thread::current().id(), id);
        });
    });
}

#[test]
fn the_handle_exists_only_when_the_fiber_is_left() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let second = pool.take_spare().unwrap();
        on_a_fiber(&pool, move || {
            let me = current().unwrap().id();
            let order = Arc::new(AtomicUsize::new(0));
            let queue = Queue::default();
            let after = {
                let (order, queue) = (Arc::clone(&order), queue.clone());
                move |left: Suspended| {
                    assert_eq!(left.id(), me);
                    assert_ne!(current().unwrap().id(), me);
                    assert!(injecting(), "no injection while a switch is under way");
                    assert_eq!(order.fetch_add(1, SeqCst), 0);
                    queue.push(left);
                }
            };
            let work = {
                let order = Arc::clone(&order);
                move || {
                    assert_eq!(order.fetch_add(1, SeqCst), 1);
                    Leave::Resume(queue.take())
                }
            };
            start(second, work, after);
            assert_eq!(order.load(SeqCst), 2);
        });
    });
}

#[test]
fn closures_are_moved_and_dropped_once() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let counted = Arc::new(());
        let second = pool.take_spare().unwrap();
        let (a, b) = (Arc::clone(&counted), Arc::clone(&counted));
        on_a_fiber(&pool, move || {
            let queue = Queue::default();
            let publish = queue.publisher();
            let work = move || {
                drop(a);
                Leave::Resume(queue.take())
            };
            start(second, work, move |left| {
                drop(b);
                publish(left);
            });
        });
        assert_eq!(Arc::strong_count(&counted), 1);
    });
}

/// Something of everything that lives in thread-locals, with a switch at each `yield_here`.
fn delicate_work(seed: u64, yield_here: &dyn Fn()) -> u64 {
    let id = thread::current().id();
    let mut map = HashMap::new(); // RandomState keeps its keys in a thread-local.
    let mut sum = seed as f64;
    for round in 0..60 {
        let depth = DEPTH.get();
        DEPTH.set(depth + 1);
        NAME.with_borrow_mut(|name| {
            name.clear();
            name.push_str(&format!("{seed}/{round}"));
            yield_here();
            assert_eq!(*name, format!("{seed}/{round}"));
        });
        map.insert(format!("{round}"), round);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            yield_here();
            resume_unwind(Box::new(seed + round));
        }));
        assert_eq!(*caught.unwrap_err().downcast::<u64>().unwrap(), seed + round);
        if round % 20 == 0 {
            let trace = Backtrace::force_capture().to_string();
            assert!(trace.contains("delicate_work"), "{trace}");
        }
        let text = vec![round as u8; 3000];
        yield_here();
        sum += text.iter().map(|&byte| f64::from(byte)).sum::<f64>().sqrt();
        assert_eq!(DEPTH.get(), depth + 1);
        DEPTH.set(depth);
        assert_eq!(thread::current().id(), id);
    }
    map.values().sum::<u64>() + sum.to_bits()
}

/// Three machines pass tasks on at every yield, each time to whichever machine comes first.
#[test]
fn fibers_migrate_between_machines_unharmed() {
    on_every_backend(|builder| {
        let pool = Arc::new(pool_with(builder, 14));
        let (queue, begun) = (Queue::default(), Arc::new(AtomicUsize::new(0)));
        let (done, migrations) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let machines: Vec<_> = (0..3)
            .map(|token| {
                let world = World {
                    pool: Arc::clone(&pool),
                    queue: queue.clone(),
                    begun: Arc::clone(&begun),
                    done: Arc::clone(&done),
                    migrations: Arc::clone(&migrations),
                };
                let spare = pool.take_spare().unwrap();
                thread::spawn(move || {
                    Machine::new(token).run(spare, move || world.work()).expect("a machine");
                })
            })
            .collect();
        machines.into_iter().for_each(|machine| machine.join().unwrap());
        assert_eq!(done.load(SeqCst), begun.load(SeqCst));
        assert_eq!(pool.spares(), pool.fibers());
        assert!(migrations.load(SeqCst) >= MIGRATIONS);
    });
}

/// Tasks are begun until there were so many, however the threads are scheduled.
const MIGRATIONS: usize = 100;

#[derive(Clone)]
struct World {
    pool: Arc<preempt_fiber::Pool>,
    queue: Queue,
    begun: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    migrations: Arc<AtomicUsize>,
}

impl World {
    /// A worker loop: a new task, or else one that has been set aside, until all are done.
    fn work(self) -> Leave {
        loop {
            let in_progress = self.begun.load(SeqCst).saturating_sub(self.done.load(SeqCst));
            if in_progress < 8 && self.migrations.load(SeqCst) < MIGRATIONS {
                let task = self.begun.fetch_add(1, SeqCst) as u64;
                let expected = delicate_work(task, &|| ());
                assert_eq!(delicate_work(task, &|| self.set_aside()), expected);
                self.done.fetch_add(1, SeqCst);
            } else if let Some(other) = self.queue.pop_first() {
                return Leave::Resume(other);
            } else if self.done.load(SeqCst) == self.begun.load(SeqCst) {
                return Leave::Exit;
            } else {
                thread::yield_now();
            }
        }
    }

    fn set_aside(&self) {
        let before = current().unwrap().machine_token();
        if let Some(spare) = self.pool.take_spare() {
            let world = self.clone();
            start(spare, move || world.work(), self.queue.publisher());
            let after = current().unwrap().machine_token();
            self.migrations.fetch_add(usize::from(after != before), SeqCst);
        }
    }
}

#[test]
fn a_thread_can_be_a_machine_again_and_again() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 1);
        let machine = Machine::new(7);
        for _ in 0..100 {
            let ran = Arc::new(AtomicBool::new(false));
            let theirs = Arc::clone(&ran);
            let work = move || {
                theirs.store(true, SeqCst);
                Leave::Exit
            };
            assert_eq!(machine.kernel_thread(), None);
            machine.run(pool.take_spare().expect("the fiber is back"), work).unwrap();
            assert!(ran.load(SeqCst));
        }
    });
}

#[test]
fn switching_off_a_fiber_panics() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 1);
        let spare = pool.take_spare().unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            start(spare, || Leave::Exit, drop);
        }));
        assert!(caught.is_err());
        assert_eq!(pool.spares(), 1, "the spare went back");
    });
}

#[test]
fn the_stack_is_the_one_that_code_runs_on() {
    on_every_backend(|builder| {
        let pool = pool_with(builder.stack_bytes(256 * 1024), 1);
        on_a_fiber(&pool, || {
            let local = 0u8;
            let (stack, here) = (current().unwrap().stack(), (&raw const local).addr());
            assert!(stack.lo < here && here < stack.hi);
            assert!(stack.hi - stack.lo >= 256 * 1024 - 16 * 1024);
            assert!(stack.remaining_bytes(here) > 200 * 1024);
            assert_eq!(stack.remaining_bytes(stack.hi + 1), 0);
            assert_eq!(stack.remaining_bytes(stack.lo - 1), 0);
        });
    });
}
