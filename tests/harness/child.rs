use std::{
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;

/// A process that ends with its test, whatever becomes of the test.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts it; where there is a `setpriv`, the kernel ends it too when this thread is gone without a drop.
    pub(crate) fn start(
        command: &Command,
        streams: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mut guarded = guarded(command);
        streams(&mut guarded);
        Self(guarded.spawn().expect("a process"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Stops it where it is, as a host that is out of memory or being moved does; its sockets stay open.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Tells it that files it reads have changed.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Ends it without a word, and waits until it is gone.
    pub(crate) fn kill_9(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "{} does not end", self.pid());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("a process to signal");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_9();
    }
}

/// The same command, killed by the kernel when the thread that started it ends.
fn guarded(command: &Command) -> Command {
    let there = ["/usr/bin/setpriv", "/bin/setpriv"];
    let Some(setpriv) = there
        .into_iter()
        .find(|path| std::fs::exists(path).unwrap())
    else {
        return copy(Command::new(command.get_program()), command);
    };
    let mut guarded = Command::new(setpriv);
    guarded
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program());
    copy(guarded, command)
}

fn copy(mut to: Command, from: &Command) -> Command {
    to.args(from.get_args());
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    to
}
