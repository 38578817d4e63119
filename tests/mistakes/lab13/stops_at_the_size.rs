//! "As much as was promised is all that I want."
//!
//! task: 1
//! test: task1_one_byte_behind_the_right_ones_is_too_much
//! says: the end was told when the right number of bytes had come

let left = usize::try_from(blob.size_bytes - blob.read_bytes).unwrap_or(usize::MAX);
let most = left.min(buffer.len());
let count = blob.source.read(&mut buffer[..most]).during("read", blob.digest)?;
blob.hash.update(&buffer[..count]);
blob.read_bytes += count as u64;
if most > 0 && count == 0 {
    return Err(Error::invalid("size of a blob", blob.read_bytes.to_string(), blob.size_bytes.to_string()));
}
if blob.read_bytes == blob.size_bytes {
    let seen = Digest(blob.hash.clone().finalize().into());
    if seen != blob.digest {
        return Err(Error::invalid("digest of a blob", seen.to_string(), blob.digest.to_string()));
    }
}
Ok(count)
