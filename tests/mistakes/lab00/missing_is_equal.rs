//! "`ok()` on both sides, and then compare."
//!
//! task: 2
//! test: task2_what_cannot_be_read_is_equal_to_nothing
//! says: a missing file was taken for equal

if let (Err(error), Ok(_)) | (Ok(_), Err(error)) = (identity(a, kind), identity(b, kind)) {
    return Err(error);
}
Ok(identity(a, kind).ok() == identity(b, kind).ok())
