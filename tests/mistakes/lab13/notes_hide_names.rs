//! "AUFS is gone, so every .wh. is a whiteout."
//!
//! task: 2
//! test: task2_what_begins_twice_is_a_note
//! says: what begins with .wh. twice is a note of AUFS to itself

let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(Marker::Plain) };
match hidden {
    b".wh..opq" => Ok(Marker::Opaque),
    b"" | b"." | b".." => Err(Error::invalid("whiteout", name.to_string_lossy(), ".wh. and the name of a file")),
    name => Ok(Marker::Hides(OsStr::from_bytes(name))),
}
