//! "RESOLVE_BENEATH sounds like what is wanted."
//!
//! task: 1
//! test: task1_dots_end_at_the_root
//! test: task1_links_stay_inside
//! says: RESOLVE_BENEATH refuses whatever would leave

let relative = path.strip_prefix("/").unwrap_or(path);
let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_BENEATH);
openat2(root, relative, how).during("openat2", path.display())
