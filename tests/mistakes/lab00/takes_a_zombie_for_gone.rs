//! "ENOENT means that there is no such process."
//!
//! task: 1
//! test: task1_a_zombie_is_there_and_lacks_a_namespace
//! test: task1_a_process_and_its_children_may_live_in_different_pid_namespaces
//! says: the process is still there, only the file is missing

let file = format!("/proc/{pid}/ns/{kind}");
match fs::metadata(&file) {
    Ok(metadata) => Ok(NsId(metadata.ino())),
    Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoSuchProcess(pid)),
    Err(error) => Err(error).during("stat", file),
}
