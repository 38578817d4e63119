//! "unshare(CLONE_NEWPID) moves the caller, so `pid_for_children` is where it lives."
//!
//! task: 1
//! test: task1_a_process_and_its_children_may_live_in_different_pid_namespaces
//! test: task1_a_process_and_its_children_may_live_in_different_time_namespaces
//! says: that is where its children will be born

let process = format!("/proc/{pid}");
let file = match kind {
    NsKind::Pid | NsKind::Time => format!("{process}/ns/{kind}_for_children"),
    _ => format!("{process}/ns/{kind}"),
};
match fs::metadata(&file) {
    Ok(metadata) => Ok(NsId(metadata.ino())),
    Err(error) if error.kind() == io::ErrorKind::NotFound => match Path::new(&process).exists() {
        true => Err(Error::NoNamespace { pid, kind }),
        false => Err(Error::NoSuchProcess(pid)),
    },
    Err(error) => Err(error).during("stat", file),
}
