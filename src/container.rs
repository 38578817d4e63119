//! boxwright as a library: a container of another program, from its bundle to its end.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use boxwright::container::{self, Container};
//!
//! # fn main() -> boxwright::model::Result<()> {
//! container::seal()?;
//! let mut box_1 = Container::create(Path::new("/run/mine"), "box-1", Path::new("bundle"))?;
//! box_1.start()?;
//! let code = box_1.wait()?;
//! box_1.delete(false)?;
//! # std::process::exit(code)
//! # }
//! ```
//!
//! `runbox --root /run/mine` sees the same containers. `examples/start.rs` is a whole program.

use std::path::Path;

use model::{During, Error, Result, StateDir, Status};
use nix::errno::Errno;

use crate::runtime::bundle;
use crate::runtime::making::{self, Made};
use crate::steps::lifecycle;

/// Makes sure that no container can write to the calling program's file (CVE-2019-5736). To be called first of all in `main`: where it is
/// not so yet, the program starts again, with its arguments and its environment.
///
/// # Errors
/// What kept it from being started.
pub use crate::runtime::own_program::seal;

/// A container. It lives on when this is dropped, and when the program ends.
#[derive(Debug)]
pub struct Container {
    id: String,
    states: StateDir,
    made: Option<Made>,
    warnings: Vec<String>,
}

impl Container {
    /// Makes the container `id` of the bundle in the directory `bundle`: all of it is there on return, but the command that it is for.
    /// What is known of it is kept in the directory `root`, which is made, mode 0700.
    ///
    /// It has the caller's standard input, output and error. To be called by a process with one thread, as the container begins as
    /// its fork. Source: OCI runtime-spec, runtime, "Create".
    ///
    /// # Errors
    /// EEXIST when the name is taken; [`Error::Invalid`] for a configuration that cannot be done, and for one with a terminal, which
    /// is a matter for `runbox`; else what kept it from being made. Nothing is left of it then.
    pub fn create(root: &Path, id: &str, bundle: &Path) -> Result<Container> {
        let states = StateDir::open(root)?;
        let (order, warnings) = bundle::order(id, bundle)?;
        let made = Some(making::create(&order, &states, |_| ())?);
        Ok(Container { id: id.to_owned(), states, made, warnings })
    }

    /// The container `id`, whoever has made it.
    ///
    /// # Errors
    /// ENOENT when there is none.
    pub fn find(root: &Path, id: &str) -> Result<Container> {
        let states = StateDir::open(root)?;
        states.container(id)?;
        Ok(Container { id: id.to_owned(), states, made: None, warnings: Vec::new() })
    }

    /// Parts of its configuration that were passed over, a line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where it is in its life.
    ///
    /// # Errors
    /// ENOENT when it is not there any more.
    pub fn status(&self) -> Result<Status> {
        Ok(lifecycle::status(&self.states.container(&self.id)?))
    }

    /// The PID of its first process, as the caller knows it.
    ///
    /// # Errors
    /// ENOENT when it is not there any more.
    pub fn pid(&self) -> Result<i32> {
        Ok(self.states.container(&self.id)?.state.pid)
    }

    /// Starts its command. Hooks that fail afterwards and change nothing are returned.
    ///
    /// # Errors
    /// When it does not wait to be started; what its command fails with.
    pub fn start(&self) -> Result<Vec<Error>> {
        lifecycle::start(&self.id, &self.states)
    }

    /// Sends its first process the signal with this number.
    ///
    /// # Errors
    /// When that has ended.
    pub fn kill(&self, signal: i32) -> Result<()> {
        lifecycle::kill(&self.id, signal, false, &self.states)
    }

    /// Waits for the end of its command: the exit code, or 128 and the signal that ended it.
    ///
    /// # Errors
    /// ECHILD when it is not this that has created it, or has waited before: only a parent is told.
    pub fn wait(&mut self) -> Result<i32> {
        let made = self.made.take().ok_or(Errno::ECHILD);
        made.during("wait for", &self.id)?.wait()
    }

    /// Removes what is left of it when it has ended; with `force` it is ended. Hooks that fail afterwards are returned.
    ///
    /// # Errors
    /// That it runs still, without `force`; what cannot be removed.
    pub fn delete(self, force: bool) -> Result<Vec<Error>> {
        lifecycle::delete(&self.id, force, &self.states)
    }
}
