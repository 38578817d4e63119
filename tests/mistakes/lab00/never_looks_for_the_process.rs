//! "ENOENT means that the file is not there, so it is always NoNamespace."
//!
//! task: 1
//! test: task1_a_process_that_is_gone_is_told_from_one_that_lacks_a_namespace
//! says: for a process that is gone /proc/PID is missing too

let file = format!("/proc/{pid}/ns/{kind}");
match fs::metadata(&file) {
    Ok(metadata) => Ok(NsId(metadata.ino())),
    Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoNamespace { pid, kind }),
    Err(error) => Err(error).during("stat", file),
}
