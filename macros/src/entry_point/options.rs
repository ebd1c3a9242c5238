//! The options of `#[preempt::main]` and `#[preempt::test]`, named and spelled as tokio's.

use super::EntryPoint;
use crate::error::Errors;
use crate::settings::{self, Root, Setting};
use proc_macro2::{Span, TokenStream};
use syn::{Error, Ident, LitStr, Path, Result};

const KNOWN: &[&str] = &["flavor", "worker_threads", "start_paused", "crate"];
const KNOWN_OF_TESTS: &[&str] =
    &["flavor", "worker_threads", "start_paused", "seed", "seeds", "crate"];

/// Which runtimes a seeded test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seeds {
    One(u64),
    Many(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

/// What the runtime is to be.
pub(crate) struct Options {
    pub(crate) flavor: Flavor,
    pub(crate) worker_threads: Option<usize>,
    pub(crate) start_paused: Option<bool>,
    /// Set for a test whose schedule follows from a seed; then `flavor` says nothing.
    pub(crate) seeds: Option<Seeds>,
    pub(crate) root: Root,
}

impl Options {
    pub(crate) fn default_for(entry_point: EntryPoint) -> Self {
        let flavor = match entry_point {
            EntryPoint::Main => Flavor::MultiThread,
            EntryPoint::Test => Flavor::CurrentThread,
        };
        let root = Root::new(None);
        Options { flavor, worker_threads: None, start_paused: None, seeds: None, root }
    }

    /// The options, and what is wrong with them: with defaults in place of what cannot be used,
    /// so that the function can still be expanded.
    pub(crate) fn parse(args: TokenStream, entry_point: EntryPoint) -> (Self, Option<Error>) {
        let mut given = Given::default();
        let mut errors = Errors::default();
        let known = match entry_point {
            EntryPoint::Main => KNOWN,
            EntryPoint::Test => KNOWN_OF_TESTS,
        };
        errors.check(settings::read(args, entry_point.attribute(), known, |it| given.take(it)));
        let mut options = Options::default_for(entry_point);
        options.flavor = given.flavor.unwrap_or(options.flavor);
        options.root = Root::new(given.root.take());
        if let Some(seeds) = given.seeds() {
            given.contradictions(&mut errors);
            options.seeds = Some(seeds);
            return (options, errors.into_option());
        }
        match given.worker_threads {
            Some((_, span)) if options.flavor == Flavor::CurrentThread => {
                errors.push(no_workers_to_count(span, entry_point));
            }
            given => options.worker_threads = given.map(|(count, _)| count),
        }
        match given.start_paused {
            Some((true, span)) if options.flavor == Flavor::MultiThread => {
                errors.push(no_clock_to_stop(span));
            }
            given => options.start_paused = given.map(|(on, _)| on),
        }
        (options, errors.into_option())
    }
}

fn no_workers_to_count(span: Span, entry_point: EntryPoint) -> Error {
    let default = match entry_point {
        EntryPoint::Main => "",
        EntryPoint::Test => ", the default of `#[preempt::test]`,",
    };
    let message = format!(
        "a `current_thread` runtime{default} has no worker threads: remove `worker_threads`, or \
         set `flavor = \"multi_thread\"`"
    );
    Error::new(span, message)
}

fn no_clock_to_stop(span: Span) -> Error {
    let message = "only the clock of a `current_thread` runtime can be stopped: remove \
        `start_paused`, or set `flavor = \"current_thread\"`";
    Error::new(span, message)
}

/// The options as they are written.
#[derive(Default)]
struct Given {
    flavor: Option<Flavor>,
    worker_threads: Option<(usize, Span)>,
    start_paused: Option<(bool, Span)>,
    seed: Option<(u64, Span)>,
    seeds: Option<(u64, Span)>,
    /// Where each setting stands that says who runs the tasks, or by which clock.
    of_other_runtimes: Vec<Ident>,
    root: Option<Path>,
}

impl Given {
    fn seeds(&self) -> Option<Seeds> {
        let one = self.seed.map(|(seed, _)| Seeds::One(seed));
        one.or_else(|| self.seeds.map(|(count, _)| Seeds::Many(count)))
    }

    /// What does not go together with a seed.
    fn contradictions(&self, errors: &mut Errors) {
        if let (Some(_), Some((_, span))) = (self.seed, self.seeds) {
            let message = "`seed` is one seed and `seeds` a number of them: remove one";
            errors.push(Error::new(span, message));
        }
        for name in &self.of_other_runtimes {
            let message = format!(
                "a seeded test has a runtime of its own kind, which runs one thing at a time by a \
                 stopped clock: remove `{name}`, or the seed"
            );
            errors.push(Error::new(name.span(), message));
        }
    }

    fn take(&mut self, setting: &Setting) -> Result<()> {
        if ["flavor", "worker_threads", "start_paused"].iter().any(|it| setting.name == it) {
            self.of_other_runtimes.push(setting.name.clone());
        }
        if setting.name == "flavor" {
            self.flavor = Some(flavor(setting.string()?)?);
        } else if setting.name == "worker_threads" {
            self.worker_threads = Some(worker_threads(setting)?);
        } else if setting.name == "start_paused" {
            self.start_paused = Some(setting.boolean()?);
        } else if setting.name == "seed" {
            self.seed = Some(setting.integer()?);
        } else if setting.name == "seeds" {
            self.seeds = Some(number_of_seeds(setting)?);
        } else {
            self.root = Some(setting.path()?);
        }
        Ok(())
    }
}

fn flavor(name: &LitStr) -> Result<Flavor> {
    match name.value().as_str() {
        "multi_thread" => Ok(Flavor::MultiThread),
        "current_thread" => Ok(Flavor::CurrentThread),
        other => Err(Error::new(
            name.span(),
            format!(
                "unknown flavor `{other}`: write `\"multi_thread\"` for a pool of worker threads, \
                 or `\"current_thread\"` for none"
            ),
        )),
    }
}

fn number_of_seeds(setting: &Setting) -> Result<(u64, Span)> {
    let (count, span) = setting.integer()?;
    if count == 0 {
        let message = "`seeds` must be at least 1: it is how many seeds the test runs with";
        return Err(Error::new(span, message));
    }
    Ok((count, span))
}

fn worker_threads(setting: &Setting) -> Result<(usize, Span)> {
    let (count, span) = setting.integer()?;
    if count == 0 {
        let message = "`worker_threads` must be at least 1: leave it out for one per CPU, or set \
            `flavor = \"current_thread\"` for none";
        return Err(Error::new(span, message));
    }
    Ok((count, span))
}
