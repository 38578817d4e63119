//! "What begins twice is about the directory."
//!
//! task: 2
//! test: task2_what_begins_twice_is_a_note
//! says: every name with .wh..wh. was taken for the mark

let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(Marker::Plain) };
match hidden {
        own if own.starts_with(b".wh.") => Ok(Marker::Opaque),
    b"" | b"." | b".." => Err(Error::invalid("whiteout", name.to_string_lossy(), ".wh. and the name of a file")),
    name => Ok(Marker::Hides(OsStr::from_bytes(name))),
}
