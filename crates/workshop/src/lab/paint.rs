//! The few colours there are. `anstream` takes them out again where they would be garbage.

use anstyle::{AnsiColor, Style};

/// Done, there, working.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Failed, or missing and needed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Worth a look.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Said for completeness.
pub const DIM: Style = Style::new().dimmed();
/// What to read first.
pub const BOLD: Style = Style::new().bold();
