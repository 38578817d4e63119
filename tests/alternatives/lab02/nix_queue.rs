//! Lab 02's POSIX queue through nix, with attributes: without them nix's mq_open leaves out the mode as well.
//!
//! task: 3

let limit = |file: &str| {
    let path = format!("/proc/sys/fs/mqueue/{file}");
    let text = std::fs::read_to_string(&path).during("read", &path)?;
    text.trim().parse().map_err(std::io::Error::other).during("read", &path)
};
let attributes = nix::mqueue::MqAttr::new(0, limit("msg_default")?, limit("msgsize_default")?, 0);
let c_name = CString::new(name).map_err(std::io::Error::from).during("mq_open", name)?;
let flags = nix::mqueue::MQ_OFlag::O_CREAT | nix::mqueue::MQ_OFlag::O_RDWR | nix::mqueue::MQ_OFlag::O_CLOEXEC;
let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
let queue = nix::mqueue::mq_open(c_name.as_c_str(), flags, mode, Some(&attributes)).during("mq_open", name)?;
Ok(unsafe { OwnedFd::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(queue)) })
