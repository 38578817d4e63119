//! "What begins with a dot is . or .."
//!
//! task: 2
//! test: task2_a_whiteout_hides_the_name_after_it
//! says: a name may begin with dots, and be any bytes

let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(Marker::Plain) };
match hidden {
    b".wh..opq" => Ok(Marker::Opaque),
    own if own.starts_with(b".wh.") => Ok(Marker::Ignored),
    own if own.is_empty() || own[0] == b'.' => Err(Error::invalid("whiteout", name.to_string_lossy(), ".wh. and the name of a file")),
    name => Ok(Marker::Hides(OsStr::from_bytes(name))),
}
