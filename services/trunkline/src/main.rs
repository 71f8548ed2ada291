//! The command line: parses, composes the services, nothing else.

mod banner;
mod cli;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Where even this cannot be printed, nobody is left to tell.
            let _ = error.print();
            // Help and versions are answers, not errors.
            return match error.use_stderr() {
                true => ExitCode::from(daemon::EXIT_USAGE),
                false => ExitCode::SUCCESS,
            };
        }
    };
    if let Err(error) = daemon::logs::init(&cli.logs) {
        banner::complain(&error);
        return ExitCode::from(daemon::EXIT_USAGE);
    }
    daemon::descriptors::raise_limit();
    match run::run(cli) {
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

/// Whether an option says what cannot be, and not the system.
fn is_usage(error: &anyhow::Error) -> bool {
    let setup = error.downcast_ref::<turn_server::SetupError>();
    setup.is_some_and(turn_server::SetupError::is_usage)
        || error.is::<signal::IceConfigError>()
        || error.is::<daemon::reload::FileError>()
}
