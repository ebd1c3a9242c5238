//! The options of `#[preempt::main]` and `#[preempt::test]`, named and spelled as tokio's.

use super::EntryPoint;
use crate::error::Errors;
use crate::settings::{self, Root, Setting};
use proc_macro2::{Span, TokenStream};
use syn::{Error, LitStr, Path, Result};

const KNOWN: &[&str] = &["flavor", "worker_threads", "start_paused", "crate"];

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
    pub(crate) root: Root,
}

impl Options {
    pub(crate) fn default_for(entry_point: EntryPoint) -> Self {
        let flavor = match entry_point {
            EntryPoint::Main => Flavor::MultiThread,
            EntryPoint::Test => Flavor::CurrentThread,
        };
        Options { flavor, worker_threads: None, start_paused: None, root: Root::new(None) }
    }

    /// The options, and what is wrong with them: with defaults in place of what cannot be used,
    /// so that the function can still be expanded.
    pub(crate) fn parse(args: TokenStream, entry_point: EntryPoint) -> (Self, Option<Error>) {
        let mut given = Given::default();
        let mut errors = Errors::default();
        errors.check(settings::read(args, entry_point.attribute(), KNOWN, |it| given.take(it)));
        let mut options = Options::default_for(entry_point);
        options.flavor = given.flavor.unwrap_or(options.flavor);
        options.root = Root::new(given.root);
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
    root: Option<Path>,
}

impl Given {
    fn take(&mut self, setting: &Setting) -> Result<()> {
        if setting.name == "flavor" {
            self.flavor = Some(flavor(setting.string()?)?);
        } else if setting.name == "worker_threads" {
            self.worker_threads = Some(worker_threads(setting)?);
        } else if setting.name == "start_paused" {
            self.start_paused = Some(setting.boolean()?);
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

fn worker_threads(setting: &Setting) -> Result<(usize, Span)> {
    let (count, span) = setting.integer()?;
    if count == 0 {
        let message = "`worker_threads` must be at least 1: leave it out for one per CPU, or set \
            `flavor = \"current_thread\"` for none";
        return Err(Error::new(span, message));
    }
    Ok((count, span))
}
