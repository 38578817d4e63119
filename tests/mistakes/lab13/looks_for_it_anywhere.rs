//! "It has .wh. in it."
//!
//! task: 2
//! test: task2_other_names_are_names
//! says: a whiteout begins with the four bytes .wh. and no others

let text = name.to_string_lossy().into_owned();
let Some(at) = text.to_lowercase().find("wh.") else { return Ok(Marker::Plain) };
match &name.as_bytes()[at + 3..] {
    b".wh..opq" => Ok(Marker::Opaque),
    own if own.starts_with(b".wh.") => Ok(Marker::Ignored),
    b"" | b"." | b".." => Err(Error::invalid("whiteout", text, ".wh. and the name of a file")),
    name => Ok(Marker::Hides(OsStr::from_bytes(name))),
}
