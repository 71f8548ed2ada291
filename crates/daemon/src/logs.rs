//! Structured logs on standard error.
//!
//! Levels: a message a peer sends is TRACE; a connection's life DEBUG; what an operator wants to know once
//! INFO; what should wake somebody WARN. SDP, candidates and addresses of clients never above DEBUG.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, ParseError},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How a process logs.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace), or levels by module, such as
    /// `info,signal=debug`
    #[arg(
        long,
        global = true,
        env = "TRUNKLINE_LOG",
        default_value = "info",
        value_name = "FILTER",
        value_parser = checked
    )]
    pub log: String,

    /// How log lines are written
    #[arg(
        long,
        global = true,
        env = "TRUNKLINE_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A word that is no level: taken as a module's name, it would silence everything else.
    #[error("`{0}` is not a level; write error, warn, info, debug, trace or off, or MODULE=LEVEL")]
    Level(String),
    /// A filter that cannot be read.
    #[error(transparent)]
    Filter(#[from] ParseError),
}

/// The library of DTLS. It warns of what any stranger may send, each time.
const ASKED_FOR: &str = "dimpl";

/// What is logged, which is nothing of a library that is to be asked for by name.
fn filter(log: &str) -> Result<EnvFilter, LogError> {
    let is_level = |word: &str| word.contains(['=', '[']) || word.parse::<LevelFilter>().is_ok();
    let mut words = log.split(',').map(str::trim);
    if let Some(word) = words.find(|word| !is_level(word)) {
        return Err(LogError::Level(word.to_owned()));
    }
    let filter = EnvFilter::builder().parse(log)?;
    if log.contains(ASKED_FOR) {
        return Ok(filter);
    }
    Ok(filter.add_directive(format!("{ASKED_FOR}=off").parse()?))
}

fn checked(log: &str) -> Result<String, LogError> {
    filter(log).map(|_| log.to_owned())
}

/// Starts logging; a second call in one process does nothing.
///
/// # Errors
/// When the filter cannot be read.
pub fn init(args: &LogArgs) -> Result<(), LogError> {
    let filter = filter(&args.log)?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = match args.log_format {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_writer(io::stderr)
                    .with_ansi(io::stderr().is_terminal())
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .with_writer(io::stderr)
                    .json()
                    .flatten_event(true),
            )
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started already");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_strangers_can_make_talk_is_to_be_asked_for() {
        for (log, expected) in [("info", "dimpl=off"), ("warn,dimpl=debug", "dimpl=debug")] {
            let filter = filter(log).unwrap().to_string();
            assert!(filter.contains(expected), "{filter}");
        }
    }

    #[test]
    fn a_misspelt_level_is_an_error_and_not_silence() {
        for log in ["inof", "info,debgu", "signal"] {
            let args = LogArgs {
                log: log.to_owned(),
                log_format: LogFormat::Text,
            };
            let error = init(&args).unwrap_err().to_string();
            assert!(error.contains("is not a level"), "{error}");
        }
    }
}
