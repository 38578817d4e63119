//! "Whatever comes after .wh. is hidden."
//!
//! task: 2
//! test: task2_no_whiteout_hides_a_directory_from_itself
//! says: a whiteout of nothing, of . or of .. would hide the directory

let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(Marker::Plain) };
match hidden {
    b".wh..opq" => Ok(Marker::Opaque),
    own if own.starts_with(b".wh.") => Ok(Marker::Ignored),
    name => Ok(Marker::Hides(OsStr::from_bytes(name))),
}
