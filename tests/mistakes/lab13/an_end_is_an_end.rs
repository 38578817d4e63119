//! "0 bytes, so that was it."
//!
//! task: 1
//! test: task1_other_bytes_are_refused_before_the_end_is_told
//! says: 0 bytes are the end of the source, not yet of the blob

let count = blob.source.read(buffer).during("read", blob.digest)?;
blob.hash.update(&buffer[..count]);
blob.read_bytes += count as u64;
let seen = Digest(blob.hash.clone().finalize().into());
// All that was promised has come: is it the right thing?
if blob.read_bytes >= blob.size_bytes && seen != blob.digest {
    return Err(Error::invalid("digest of a blob", seen.to_string(), blob.digest.to_string()));
}
Ok(count)
