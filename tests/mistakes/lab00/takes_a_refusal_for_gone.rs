//! "If I cannot read it, it is not there."
//!
//! task: 1
//! test: task1_a_refusal_is_reported_as_one
//! says: every failure was taken for ENOENT

let process = format!("/proc/{pid}");
let file = format!("{process}/ns/{kind}");
match fs::metadata(&file) {
    Ok(metadata) => Ok(NsId(metadata.ino())),
    Err(_) if Path::new(&process).exists() => Err(Error::NoNamespace { pid, kind }),
    Err(_) => Err(Error::NoSuchProcess(pid)),
}
