//! The environment variable `PREEMPT_DEBUG`: settings for a look at a program that is not built for
//! it, separated by commas, as `GODEBUG` has them.

use crate::report;
use std::env;
use std::fmt;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

const VARIABLE: &str = "PREEMPT_DEBUG";

/// What is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debug {
    /// How often a line about the scheduler is printed.
    pub(crate) schedtrace: Option<Duration>,
    /// Where each runtime opens a debug endpoint.
    pub(crate) http: Option<SocketAddr>,
}

/// One setting: its name, what its value is, and how it is set. `None`: the value is none.
struct Known {
    name: &'static str,
    example: &'static str,
    value: &'static str,
    set: fn(&mut Debug, &str) -> Option<()>,
}

const KNOWN: [Known; 2] = [
    Known {
        name: "schedtrace",
        example: "1000",
        value: "milliseconds between two lines about the scheduler; 0: none",
        set: |debug, value| {
            let millis = value.parse().ok()?;
            debug.schedtrace = (millis > 0).then(|| Duration::from_millis(millis));
            Some(())
        },
    },
    Known {
        name: "http",
        example: "127.0.0.1:6060",
        value: "a loopback address for the debug endpoint; with port 0 it is told on standard error",
        set: |debug, value| {
            debug.http = Some(value.parse().ok()?);
            Some(())
        },
    },
];

/// The settings of this process. The variable is read once, and then warned of what is wrong with it.
pub(crate) fn settings() -> Debug {
    static SETTINGS: OnceLock<Debug> = OnceLock::new();
    *SETTINGS.get_or_init(|| {
        let Some(text) = env::var_os(VARIABLE) else { return Debug::default() };
        let (debug, wrong) = parse(&text.to_string_lossy());
        if !wrong.is_empty() {
            report::warn(format_args!("{VARIABLE}: {}; {KnownSettings}", wrong.join(", ")));
        }
        debug
    })
}

/// The settings, and what is none.
fn parse(text: &str) -> (Debug, Vec<String>) {
    let mut debug = Debug::default();
    let mut wrong = Vec::new();
    for setting in text.split(',').map(str::trim).filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        match KNOWN.iter().find(|known| known.name == name.trim()) {
            None => wrong.push(format!("there is no setting `{setting}`")),
            Some(known) if (known.set)(&mut debug, value.trim()).is_none() => {
                wrong.push(format!("`{setting}` has no valid value"));
            }
            Some(_) => {}
        }
    }
    (debug, wrong)
}

/// The list of what can be set.
struct KnownSettings;

impl fmt::Display for KnownSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("known are:")?;
        KNOWN.iter().enumerate().try_for_each(|(index, known)| {
            let Known { name, example, value, .. } = known;
            let before = if index == 0 { "" } else { "," };
            write!(f, "{before} `{name}={example}` ({value})")
        })
    }
}

#[cfg(any(fuzzing, test))]
#[path = "fuzzing/debug.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_separated_by_commas() {
        let debug = Debug { schedtrace: Some(Duration::from_secs(1)), ..Debug::default() };
        assert_eq!(parse("schedtrace=1000"), (debug, vec![]));
        let addr = SocketAddr::from(([127, 0, 0, 1], 6060));
        let both = Debug { http: Some(addr), ..debug };
        assert_eq!(parse("schedtrace=1000,http=127.0.0.1:6060"), (both, vec![]));
        assert_eq!(parse(" , schedtrace = 1000 ,"), (debug, vec![]));
        assert_eq!(parse("schedtrace=0"), (Debug::default(), vec![]));
        assert_eq!(parse(""), (Debug::default(), vec![]));
    }

    #[test]
    fn what_is_wrong_is_named_and_the_rest_counts() {
        let (debug, wrong) = parse("gctrace=1,schedtrace=20,schedtrace=x,http=:1");
        assert_eq!(debug.schedtrace, Some(Duration::from_millis(20)));
        assert_eq!(wrong.len(), 3);
        assert!(wrong[0].contains("`gctrace=1`") && wrong[1].contains("`schedtrace=x`"));
    }
}
