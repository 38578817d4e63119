//! "XATTR_REPLACE: it is another."
//!
//! task: 7
//! test: task7_version_2_as_the_kernel_has_it
//! says: XATTR_REPLACE refuses to write an attribute that is not there

let revision = if caps.root.is_some() { REVISION_3 } else { REVISION_2 };
let (permitted, inheritable) = (caps.permitted.0, caps.inheritable.0);
let mut words = vec![revision | if caps.effective { FLAG_EFFECTIVE } else { 0 }];
words.extend([permitted as u32, inheritable as u32, (permitted >> 32) as u32, (inheritable >> 32) as u32]);
words.extend(caps.root);
let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
let file = c_path(path)?;
// SAFETY: two C strings, and a buffer of the length given; all outlive the call.
let status = unsafe { libc::lsetxattr(file.as_ptr(), ATTRIBUTE.as_ptr(), bytes.as_ptr().cast(), bytes.len(), libc::XATTR_REPLACE) };
Errno::result(status).map(drop).during("lsetxattr", path.display())
