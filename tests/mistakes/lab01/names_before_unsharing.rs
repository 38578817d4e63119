//! "First the name, then the walls around it."
//!
//! task: 4
//! test: task4_the_host_keeps_its_names_and_the_caller_gets_new_ones
//! says: the host was renamed first and left afterwards

hostname.map_or(Ok(()), set_hostname)?;
domainname.map_or(Ok(()), set_domainname)?;
unshare_uts()
