//! "Writing a file is one call."
//!
//! task: 1
//! test: task1_a_reader_sees_the_old_or_the_new
//! says: the file was written in place

fs::write(path, content).during("write", path.display())
