//! "At the end the hash is finished."
//!
//! task: 1
//! test: task1_the_end_can_be_asked_for_again
//! says: the hash was taken away to be finished

let count = blob.source.read(buffer).during("read", blob.digest)?;
blob.hash.update(&buffer[..count]);
blob.read_bytes += count as u64;
let is_end = count == 0 && !buffer.is_empty();
if blob.read_bytes > blob.size_bytes || (is_end && blob.read_bytes < blob.size_bytes) {
    let (seen, right) = (format!("{} bytes", blob.read_bytes), format!("{} has {}", blob.digest, blob.size_bytes));
    return Err(Error::invalid("size of a blob", seen, right));
}
if is_end {
    let seen = Digest(blob.hash.finalize_reset().into());
    if seen != blob.digest {
        let right = format!("{} was asked for: these are other bytes", blob.digest);
        return Err(Error::invalid("digest of a blob", seen.to_string(), right));
    }
}
Ok(count)
