//! The token that workers show each other, and hashes of what they send.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// The same token, in a time that does not tell where they differ.
pub fn is_same(shown: &str, expected: &str) -> bool {
    let (shown, expected) = (Sha256::digest(shown), Sha256::digest(expected));
    let differs = shown.iter().zip(expected.iter()).fold(0u8, |differs, (a, b)| differs | (a ^ b));
    std::hint::black_box(differs) == 0
}

/// SHA-256, hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Length of a file and SHA-256 of it, hexadecimal.
///
/// # Errors
/// It cannot be read.
pub fn file_sha256(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash, mut length) = (File::open(path)?, Sha256::new(), 0);
    let mut block = vec![0; 256 << 10];
    loop {
        match file.read(&mut block)? {
            0 => return Ok((length, hex(&hash.finalize()))),
            read => {
                hash.update(block.get(..read).unwrap_or_default());
                length += read as u64;
            }
        }
    }
}

/// Bytes, hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_or_not() {
        assert!(is_same("open sesame", "open sesame"));
        assert!(!is_same("open sesam", "open sesame") && !is_same("", "open sesame"));
    }
}
