//! Bodies of PutObject, and what proves that they arrived whole.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{PutObjectInput, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};

/// The whole body. A signature or length that does not fit its bytes shows itself here.
pub(crate) async fn collected(body: Option<StreamingBlob>) -> S3Result<Vec<u8>> {
    let Some(stream) = body else { return Ok(Vec::new()) };
    let collected = stream.try_fold(Vec::new(), |mut bytes, chunk| async move {
        bytes.extend_from_slice(&chunk);
        Ok(bytes)
    });
    collected.await.map_err(|error| {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut refusal = S3Error::with_message(code, "the body does not fit its signature or its length");
        refusal.set_status_code(http::StatusCode::BAD_REQUEST);
        refusal.set_source(error);
        refusal
    })
}

/// Compares the body with every checksum that came with it.
pub(crate) fn verified(
    input: &PutObjectInput,
    body: &[u8],
    trailers: Option<&TrailingHeaders>,
) -> S3Result<s3s::dto::Checksum> {
    let md5 = || BASE64_STANDARD.encode(Md5::checksum(body));
    if input.content_md5.as_ref().is_some_and(|wanted| md5() != *wanted) {
        return Err(s3_error!(BadDigest, "the Content-MD5 does not fit the body"));
    }
    let trailer = |name: &str| {
        let read = |headers: &http::HeaderMap| Some(headers.get(name)?.to_str().ok()?.to_owned());
        trailers.and_then(|trailers| trailers.read(read).flatten())
    };
    let given = [
        input.checksum_crc32.clone().or_else(|| trailer("x-amz-checksum-crc32")),
        input.checksum_crc32c.clone().or_else(|| trailer("x-amz-checksum-crc32c")),
        input.checksum_crc64nvme.clone().or_else(|| trailer("x-amz-checksum-crc64nvme")),
        input.checksum_sha1.clone().or_else(|| trailer("x-amz-checksum-sha1")),
        input.checksum_sha256.clone().or_else(|| trailer("x-amz-checksum-sha256")),
    ];
    let [crc32, crc32c, crc64nvme, sha1, sha256] = &given;
    let mut hasher = ChecksumHasher {
        crc32: crc32.as_ref().map(|_| Crc32::new()),
        crc32c: crc32c.as_ref().map(|_| Crc32c::new()),
        crc64nvme: crc64nvme.as_ref().map(|_| Crc64Nvme::new()),
        sha1: sha1.as_ref().map(|_| Sha1::new()),
        sha256: sha256.as_ref().map(|_| Sha256::new()),
    };
    hasher.update(body);
    let computed = hasher.finalize();
    let found = [
        &computed.checksum_crc32,
        &computed.checksum_crc32c,
        &computed.checksum_crc64nvme,
        &computed.checksum_sha1,
        &computed.checksum_sha256,
    ];
    if given.iter().zip(found).any(|(given, found)| given != found) {
        return Err(s3_error!(BadDigest, "a checksum does not fit the body"));
    }
    Ok(computed)
}
