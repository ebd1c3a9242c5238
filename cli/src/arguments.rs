//! The command line.

use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Looks at a running program that uses preempt, through its debug endpoint.

usage: preempt [--addr HOST:PORT] COMMAND

  ps [--stacks]                  all tasks: what each is at, and where it was spawned
  top [--interval SECONDS] [--once] [--by time|polls] [--lines N]
                                 the tasks that did most since the last look
  trace -o FILE [--seconds N]    a trace of the next N seconds for https://ui.perfetto.dev; JSON if
                                 FILE ends in .json
  profile -o FILE [--seconds N] [--delay]
                                 where CPU time goes in the next N seconds, or behind whom others wait;
                                 for pprof, or as text for flame graphs if FILE ends in .folded
  metrics                        what the runtime counts, as Prometheus reads it
  console [--listen ADDR] [--interval SECONDS]
                                 serves for the unmodified tokio-console, on 127.0.0.1:6669; needs the
                                 feature `console` of the crate preempt-cli

  --addr HOST:PORT               where the program listens: the address that it gives to
                                 `Builder::debug_endpoint`. The default is 127.0.0.1:6060, or the
                                 environment variable PREEMPT_ADDR

FILE may be - for standard output. SECONDS may have a fraction.
";

const ADDR_VARIABLE: &str = "PREEMPT_ADDR";
const DEFAULT_ADDR: &str = "127.0.0.1:6060";

#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) addr: String,
    pub(crate) command: Command,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Ps {
        stacks: bool,
    },
    Top(Top),
    Trace(Output),
    Profile {
        output: Output,
        delay: bool,
    },
    #[cfg(feature = "console")]
    Console(Console),
    Metrics,
}

#[cfg(feature = "console")]
#[derive(Debug, PartialEq)]
pub(crate) struct Console {
    pub(crate) listen: std::net::SocketAddr,
    pub(crate) interval: Duration,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Top {
    pub(crate) interval: Duration,
    pub(crate) once: bool,
    pub(crate) by: By,
    pub(crate) lines: usize,
}

/// What the first of the list has most of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum By {
    Time,
    Polls,
}

/// How long something is recorded, and where to.
#[derive(Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) path: PathBuf,
    pub(crate) time: Duration,
}

/// Everything that may be there, until it is known which command it is.
#[derive(Default)]
struct Given {
    addr: Option<String>,
    command: Option<String>,
    stacks: bool,
    once: bool,
    delay: bool,
    interval: Option<Duration>,
    by: Option<By>,
    lines: Option<usize>,
    output: Option<PathBuf>,
    seconds: Option<Duration>,
    listen: Option<std::net::SocketAddr>,
}

impl Arguments {
    /// `None`: help is asked for.
    pub(crate) fn from_env() -> Result<Option<Self>, lexopt::Error> {
        let addr = std::env::var(ADDR_VARIABLE).ok();
        Self::parse(std::env::args_os().skip(1), addr)
    }

    fn parse(
        arguments: impl Iterator<Item = OsString>,
        addr: Option<String>,
    ) -> Result<Option<Self>, lexopt::Error> {
        let mut given = Given { addr, ..Given::default() };
        let arguments: Vec<_> = arguments.collect();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            let command = given.command.as_deref().unwrap_or_default();
            let is_recording = matches!(command, "trace" | "profile");
            match argument {
                Short('h') | Long("help") => return Ok(None),
                Long("addr") => given.addr = Some(parser.value()?.string()?),
                Value(command) if given.command.is_none() => {
                    given.command = Some(command.string()?)
                }
                Long("stacks") if command == "ps" => given.stacks = true,
                Long("once") if command == "top" => given.once = true,
                Long("delay") if command == "profile" => given.delay = true,
                Long("listen") if command == "console" => {
                    given.listen = Some(parser.value()?.parse()?);
                }
                Long("interval") if matches!(command, "top" | "console") => {
                    given.interval = Some(time(&mut parser)?)
                }
                Long("by") if command == "top" => given.by = Some(by(&mut parser)?),
                Short('n') | Long("lines") if command == "top" => {
                    given.lines = Some(parser.value()?.parse()?);
                }
                Short('o') | Long("output") if is_recording => {
                    given.output = Some(parser.value()?.into());
                }
                Long("seconds") if is_recording => given.seconds = Some(time(&mut parser)?),
                other => return Err(other.unexpected()),
            }
        }
        given.finish().map(Some)
    }
}

impl Given {
    fn finish(self) -> Result<Arguments, lexopt::Error> {
        let output = |default| {
            let path = self.output.clone().ok_or("-o FILE says where to write to")?;
            Ok::<_, lexopt::Error>(Output { path, time: self.seconds.unwrap_or(default) })
        };
        let command = match self.command.as_deref() {
            Some("ps") => Command::Ps { stacks: self.stacks },
            Some("top") => Command::Top(Top {
                interval: self.interval.unwrap_or(Duration::from_secs(1)),
                once: self.once,
                by: self.by.unwrap_or(By::Time),
                lines: self.lines.unwrap_or(20),
            }),
            Some("trace") => Command::Trace(output(Duration::from_secs(1))?),
            Some("profile") => {
                Command::Profile { output: output(Duration::from_secs(10))?, delay: self.delay }
            }
            Some("metrics") => Command::Metrics,
            #[cfg(feature = "console")]
            Some("console") => Command::Console(Console {
                listen: self.listen.unwrap_or(std::net::SocketAddr::from(([127, 0, 0, 1], 6669))),
                interval: self.interval.unwrap_or(Duration::from_secs(1)),
            }),
            #[cfg(not(feature = "console"))]
            Some("console") => {
                return Err("this `preempt` was built without the feature `console`".into());
            }
            Some(other) => return Err(format!("there is no command {other:?}").into()),
            None => return Err("no command".into()),
        };
        Ok(Arguments { addr: self.addr.unwrap_or_else(|| DEFAULT_ADDR.to_owned()), command })
    }
}

fn time(parser: &mut lexopt::Parser) -> Result<Duration, lexopt::Error> {
    let text = parser.value()?.string()?;
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let usable = time.filter(|time| !time.is_zero());
    usable.ok_or_else(|| format!("{text:?} is no number of seconds above 0").into())
}

fn by(parser: &mut lexopt::Parser) -> Result<By, lexopt::Error> {
    match parser.value()?.string()?.as_str() {
        "time" => Ok(By::Time),
        "polls" => Ok(By::Polls),
        other => Err(format!("--by is time or polls, not {other:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Arguments>, String> {
        let words = line.split_whitespace().map(OsString::from);
        Arguments::parse(words, None).map_err(|error| error.to_string())
    }

    #[test]
    fn commands_are_understood() {
        let arguments = parse("--addr [::1]:7 trace -o x.json --seconds 0.5").unwrap().unwrap();
        let time = Duration::from_millis(500);
        let command = Command::Trace(Output { path: "x.json".into(), time });
        assert_eq!(arguments, Arguments { addr: "[::1]:7".to_owned(), command });
        let top = parse("top --once --by polls -n 3").unwrap().unwrap();
        let second = Duration::from_secs(1);
        let expected = Top { interval: second, once: true, by: By::Polls, lines: 3 };
        assert_eq!(top.command, Command::Top(expected));
        assert_eq!(top.addr, DEFAULT_ADDR);
        assert_eq!(parse("ps --help"), Ok(None));
    }

    #[test]
    fn mistakes_are_told() {
        for (line, complaint) in [
            ("", "no command"),
            ("fly", "there is no command \"fly\""),
            ("ps top", "unexpected argument \"top\""),
            ("ps --once", "invalid option '--once'"),
            ("trace --delay", "invalid option '--delay'"),
            ("trace", "-o FILE says where to write to"),
            ("trace -o x --seconds never", "\"never\" is no number of seconds above 0"),
            ("top --by name", "--by is time or polls, not \"name\""),
        ] {
            assert_eq!(parse(line), Err(complaint.to_owned()), "{line:?}");
        }
    }
}
