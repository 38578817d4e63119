//! Words for mounts.

/// What a mount does with the mounts and unmounts that happen below it (mount_namespaces(7), "Shared subtrees").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Events stay here, in both directions.
    Private,
    /// Events arrive from the master, none are sent.
    Slave,
    /// Events are sent to and received from every peer.
    Shared,
    /// Receives from a master and shares with peers of its own: `shared:N master:M` in mountinfo.
    SharedSlave,
    /// Private, and no bind mount can be made of it.
    Unbindable,
}

/// What a mount point is, or is to be made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// For a directory, or a file system.
    Directory,
    /// For a file, a device, a socket.
    File,
}
