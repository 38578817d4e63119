//! "setdomainname, sethostname: one of them will be it."
//!
//! task: 3
//! test: task3_the_domainname_is_the_one_asked_for
//! says: the other one of the two names was set

sethostname(name).during("setdomainname", name)
