//! The command line: parses, composes the services, nothing else.
//!
//! ```text
//!  flags, TRUNKLINE_* variables, file, defaults ──► layers ──► run                            the services
//!                                                         └──► effective, example, reference  what is printed
//! ```
//!
//! - `cli` defines commands and options, with those of the services; `options` reads from that what files and pages need;
//! - `layers` finds out where each value comes from, and reads all as if it had been flags: `subcommand` says for which
//!   command, `file` what a file says, `environment` which variables stand for nothing, `secret_files` what stands in
//!   files of its own, `listeners` what a default means on this host;
//! - `toml_text` writes what is read again, `nearest` guesses what was meant;
//! - `banner` is for who starts `dev` by hand.

mod banner;
mod cli;
mod effective;
mod environment;
mod example;
mod file;
mod layers;
mod listeners;
mod nearest;
mod options;
mod reference;
mod run;
mod secret_files;
mod subcommand;
mod toml_text;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use layers::{Task, Wrong};

fn main() -> ExitCode {
    match layers::read(std::env::args_os(), std::env::vars_os()) {
        Err(wrong) => refuse(&wrong),
        Ok(Task::Print(text)) => {
            // Who reads no further, as `head`, has what they want.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Task::Run(run, logs)) => {
            if let Err(error) = daemon::logs::init(&logs) {
                banner::complain(&format!("--log: {error}"));
                return ExitCode::from(daemon::EXIT_USAGE);
            }
            daemon::descriptors::raise_limit();
            match run::run(*run) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    banner::complain(&format!("{error:#}"));
                    match is_usage(&error) {
                        true => ExitCode::from(daemon::EXIT_USAGE),
                        false => ExitCode::FAILURE,
                    }
                }
            }
        }
    }
}

fn refuse(wrong: &Wrong) -> ExitCode {
    match wrong {
        Wrong::CommandLine(error) => {
            // Where even this cannot be printed, nobody is left to tell.
            let _ = error.print();
            // Help and versions are answers, not errors.
            if !error.use_stderr() {
                return ExitCode::SUCCESS;
            }
        }
        Wrong::Settings(complaints) => {
            for complaint in complaints {
                banner::complain(complaint);
            }
        }
    }
    ExitCode::from(daemon::EXIT_USAGE)
}

/// Whether an option says what cannot be, and not the system.
fn is_usage(error: &anyhow::Error) -> bool {
    let setup = error.downcast_ref::<turn_server::SetupError>();
    setup.is_some_and(turn_server::SetupError::is_usage)
        || error.is::<signal::IceConfigError>()
        || error.is::<daemon::reload::FileError>()
}
