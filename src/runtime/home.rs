//! HOME, for a command that was given none.

use std::borrow::Cow;
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use model::Plan;

const PASSWD: &str = "/etc/passwd";
/// No file of users that means well is larger.
const LONGEST_BYTES: u64 = 1 << 20;

/// The command's environment: the plan's, and where that has no HOME, or an empty one, the home directory of its user, as runc does.
///
/// To be called in the container, by a process that may do no more than the command may: /etc/passwd is anybody's work.
pub fn env(plan: &Plan) -> Cow<'_, [CString]> {
    let is_home = |pair: &&CString| pair.to_bytes().starts_with(b"HOME=");
    if plan.env.iter().rev().find(is_home).is_some_and(|pair| pair.to_bytes() != b"HOME=") {
        return Cow::Borrowed(&plan.env);
    }
    let home = of(plan.user.uid).and_then(|home| CString::new([b"HOME=", &*home].concat()).ok());
    let others = plan.env.iter().filter(|pair| !is_home(pair)).cloned();
    others.chain([home.unwrap_or_else(|| c"HOME=/".into())]).collect()
}

/// The sixth field of a user's line. Source: passwd(5).
fn of(uid: u32) -> Option<Vec<u8>> {
    // Whoever opens a FIFO waits, else.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(PASSWD).ok()?;
    let mut text = Vec::new();
    file.take(LONGEST_BYTES).read_to_end(&mut text).ok()?;
    let uid = uid.to_string();
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':').collect::<Vec<_>>());
    let mut of_user = lines.filter(|fields| fields.get(2) == Some(&uid.as_bytes()));
    of_user.next()?.get(5).filter(|home| !home.is_empty()).map(|home| home.to_vec())
}
