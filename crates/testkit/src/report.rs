//! A closure run in a forked child, and what came of it.
#![allow(unsafe_code, reason = "fork, madvise and _exit")]

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::Once;

use serde::{Deserialize, Serialize};

/// What a closure in a child came to.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply<T> {
    /// It returned.
    Value(T),
    /// It panicked; the text says what to tell the learner.
    Panic(String),
}

thread_local! {
    /// In a child, where the last panic was. `None` in the test process itself, whose hook is not ours.
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
    static IN_CHILD: RefCell<bool> = const { RefCell::new(false) };
}

/// Makes panics in children silent: their text travels to the parent. Called before the first fork, since the
/// lock around the hook may not be taken after one.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let other = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IN_CHILD.with_borrow(|in_child| *in_child) {
                PANICKED_AT.set(info.location().map(Location::to_string));
            } else {
                other(info);
            }
        }));
    });
}

/// From here on the calling process is a child: its panics are caught by [`catch`].
pub fn mark_as_child() {
    IN_CHILD.set(true);
}

/// Runs `closure`; a panic comes back as text, without a backtrace.
pub fn catch<T>(closure: impl FnOnce() -> T) -> Reply<T> {
    match panic::catch_unwind(AssertUnwindSafe(closure)) {
        Ok(value) => Reply::Value(value),
        Err(payload) => Reply::Panic(describe(&*payload, PANICKED_AT.take().as_deref())),
    }
}

/// A panic's text that is finished already: it came from a child of this child.
struct Told(String);

/// Fails the calling closure with a text that is shown as it is.
pub fn fail_with(text: String) -> ! {
    panic::resume_unwind(Box::new(Told(text)))
}

/// The panic's text for the learner. An open exercise is told by its place alone; a lesson speaks for itself.
fn describe(payload: &(dyn Any + Send), place: Option<&str>) -> String {
    if let Some(Told(text)) = payload.downcast_ref() {
        return text.clone();
    }
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "a panic without words",
    };
    let place = place.map(|place| place.strip_prefix("src/../").unwrap_or(place)).unwrap_or("an unknown place");
    if let Some(exercise) = text.strip_prefix("not yet implemented: lab ") {
        let (title, task) = exercise.split_once(": ").unwrap_or((exercise, ""));
        let lab = title.get(..2).and_then(|number| number.parse().ok()).unwrap_or(0_u8);
        return format!(
            "lab {title} is not written yet.\n  write: {place}\n  task:  {task}\n  stuck: cargo lab hint {lab}"
        );
    }
    match crate::lesson::is_lesson(text) {
        true => text.to_owned(),
        false => format!("{text}\n  at {place}"),
    }
}

/// Memory that a fork wipes: it tells the process that made it from every copy of it, whatever
/// PID namespace the copy lives in. Source: madvise(2), MADV_WIPEONFORK.
pub struct OriginalOnly(*const u8);

impl OriginalOnly {
    pub fn new() -> std::io::Result<Self> {
        const PAGE: usize = 4096;
        // SAFETY: a new private page, at an address of the kernel's choice; it is never unmapped, so the pointer
        // stays good for the life of the process, and nobody else knows it.
        unsafe {
            let page = libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if page == libc::MAP_FAILED || libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            page.cast::<u8>().write_volatile(1);
            Ok(OriginalOnly(page.cast()))
        }
    }

    /// Whether this is the process that made the page.
    pub fn is_original(&self) -> bool {
        // SAFETY: `new` mapped the page, and nobody unmaps it.
        unsafe { self.0.read_volatile() == 1 }
    }
}

/// Ends the process at once: no destructors, no buffers, no locks of the standard library.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes an integer and does not return.
    unsafe { libc::_exit(code) }
}
