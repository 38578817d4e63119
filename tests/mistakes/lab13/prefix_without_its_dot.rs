//! "The prefix is .wh"
//!
//! task: 2
//! test: task2_a_whiteout_hides_the_name_after_it
//! says: the prefix has two dots: .wh.

let Some(hidden) = name.as_bytes().strip_prefix(b".wh") else { return Ok(Marker::Plain) };
match hidden {
    b"..wh..opq" => Ok(Marker::Opaque),
    own if own.starts_with(b"..wh.") => Ok(Marker::Ignored),
    b"." | b".." | b"..." => Err(Error::invalid("whiteout", name.to_string_lossy(), ".wh. and the name of a file")),
    name => Ok(Marker::Hides(OsStr::from_bytes(name))),
}
