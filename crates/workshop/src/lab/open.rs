//! `cargo lab open NN`: the lab's chapter.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::paint::BOLD;
use crate::course::{Course, Lab};

/// Says where the chapter of `lab` is, and opens it where there is a display: the built book if there is
/// one, else the text that it is built from.
///
/// # Errors
/// There is no chapter.
pub fn run(course: &Course, lab: &Lab) -> Result<()> {
    let source = lab.chapter();
    let built = PathBuf::from("book/book").join(source.with_extension("html").file_name().unwrap_or_default());
    let Some(page) = [built, source.clone()].into_iter().find(|page| course.root.join(page).is_file()) else {
        bail!("there is no chapter {}", source.display());
    };
    anstream::println!("{BOLD}{}{BOLD:#}", page.display());
    if ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty())) {
        let mut viewer = Command::new("xdg-open");
        viewer.arg(course.root.join(page)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Without the program the path above is all there is to say.
        let _ = viewer.spawn();
    }
    Ok(())
}
