//! A look at where the working directory is, once it is entered.
//!
//! file: src/runtime/init.rs
//! in place of: getcwd().during("getcwd", format_args!("{}, which is not in the container", cwd.display()))?;
