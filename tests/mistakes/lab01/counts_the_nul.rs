//! "C strings end with a NUL, so the length has to count it."
//!
//! task: 3
//! test: task3_a_name_of_64_bytes_fits_and_of_65_does_not
//! says: was a NUL counted as the 65th

let name = std::ffi::CString::new(name).map_err(std::io::Error::from).during("setdomainname", name)?;
let bytes = name.as_bytes_with_nul();
let status = unsafe { libc::setdomainname(bytes.as_ptr().cast(), bytes.len()) };
nix::errno::Errno::result(status).map(drop).during("setdomainname", name.to_string_lossy())
