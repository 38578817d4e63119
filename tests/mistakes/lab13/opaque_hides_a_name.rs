//! ".wh. and a name, here .wh..opq."
//!
//! task: 2
//! test: task2_what_begins_twice_is_a_note
//! says: the whole name is a mark of its own: it hides no file by the name of .wh..opq

let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(Marker::Plain) };
match hidden {
    b".wh..opq" => Ok(Marker::Hides(OsStr::from_bytes(b".wh..opq"))),
    own if own.starts_with(b".wh.") => Ok(Marker::Ignored),
    b"" | b"." | b".." => Err(Error::invalid("whiteout", name.to_string_lossy(), ".wh. and the name of a file")),
    name => Ok(Marker::Hides(OsStr::from_bytes(name))),
}
