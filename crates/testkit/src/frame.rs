//! How the children of a [`Shield`](crate::Shield) report: framed JSON over one pipe.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes one frame: its length in four bytes, then JSON. Takes no lock and no buffer of the standard library.
pub fn send(pipe: &OwnedFd, message: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.extend(body);
    File::from(pipe.try_clone()?).write_all(&frame)
}

/// The frames in `bytes`, in order. A frame that was cut off is left out: its writer died in the middle.
pub fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let Some((body, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        frames.push(body);
        bytes = rest;
    }
    frames
}

/// The first frame of `bytes`, read back.
pub fn first<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    split(bytes).first().and_then(|frame| serde_json::from_slice(frame).ok())
}

/// Reads `pipe` until the process behind `pidfd` has ended. Not until end of file: a process that it left
/// behind may hold the pipe open for ever. Returns what was read, and whether the process ended by `deadline`.
pub fn read_until_exit(pipe: &OwnedFd, pidfd: &OwnedFd, deadline: Instant) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok((bytes, false));
        }
        let mut ready = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN), PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))?;
        let [has_data, has_ended] = ready.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        if has_data && read_some(pipe, &mut bytes)? > 0 {
            continue;
        }
        if has_ended {
            return Ok((bytes, true));
        }
        if has_data {
            // End of file, but the process lives on: only its end is left to wait for.
            let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
            poll(&mut ended, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))?;
        }
    }
}

fn read_some(pipe: &OwnedFd, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 16 * 1024];
    let count = nix::unistd::read(pipe, &mut chunk)?;
    bytes.extend(&chunk[..count]);
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_was_cut_off_is_left_out() {
        let (read, write) = nix::unistd::pipe().unwrap();
        send(&write, &"whole").unwrap();
        send(&write, &"cut").unwrap();
        drop(write);
        let mut bytes = Vec::new();
        while read_some(&read, &mut bytes).unwrap() > 0 {}
        assert_eq!(split(&bytes).len(), 2);
        assert_eq!(split(&bytes[..bytes.len() - 1]), [b"\"whole\""]);
        assert_eq!(first::<String>(&bytes).as_deref(), Some("whole"));
    }
}
