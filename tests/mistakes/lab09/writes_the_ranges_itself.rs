//! "They are mine, the file says so."
//!
//! task: 4
//! test: task4_own_id_and_a_range
//! says: only newuidmap(1) and newgidmap(1), which are root's, may give ranges away

write_maps(process, maps)
