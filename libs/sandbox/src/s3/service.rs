//! The operations that this store does. Every other one answers NotImplemented, after it was authorized.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, GetObjectInput, GetObjectOutput,
    HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput,
    StreamingBlob, Timestamp,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::answers::{DEFAULT_TYPE, common_prefixes, kept, may_list, metadata, refused, row, unversioned};
use super::body::{collected, verified};
use super::conditions::{may_replace, read_conditions};
use super::listing::{Page, Wanted, page};
use super::objects::{Attributes, Failure, Object, Objects};
use crate::cloud::Cloud;

#[derive(Debug, Clone)]
pub(crate) struct Service {
    cloud: Arc<Cloud>,
}

/// S3 answers at most this many keys a page.
const PAGE: i32 = 1000;

impl Service {
    pub(crate) fn new(cloud: Arc<Cloud>) -> Self {
        Self { cloud }
    }

    /// Files are read and written off the threads that answer.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let cloud = Arc::clone(&self.cloud);
        let joined = tokio::task::spawn_blocking(move || work(&cloud.objects)).await;
        joined.unwrap_or_else(|error| Err(Failure::File(io::Error::other(error))))
    }

    async fn object(&self, bucket: &str, key: &str, may_list: bool) -> S3Result<Object> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.apart(move |objects| objects.read(&bucket, &key))
            .await
            .map_err(|failure| refused(failure, may_list))
    }

    async fn page(&self, bucket: &str, wanted: Wanted) -> S3Result<(Page, Vec<s3s::dto::Object>)> {
        let bucket = bucket.to_owned();
        let listed = self.apart(move |objects| {
            let page = page(&objects.keys(&bucket)?, &wanted);
            let found = page.keys.iter().filter_map(|key| Some((key, objects.read(&bucket, key).ok()?)));
            let rows = found.map(|(key, object)| row(key, &object)).collect();
            Ok((page, rows))
        });
        listed.await.map_err(|failure| refused(failure, true))
    }
}

#[async_trait]
impl S3 for Service {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let may_list = may_list(&request);
        let input = request.input;
        unversioned(input.version_id.as_ref())?;
        let object = self.object(&input.bucket, &input.key, may_list).await?;
        read_conditions(&object.etag, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let length = u64::try_from(object.bytes.len()).unwrap_or(u64::MAX);
        let (bytes, content_range) = match input.range {
            None => (object.bytes.clone(), None),
            Some(range) => {
                let range = range.check(length).map_err(|_| s3_error!(InvalidRange))?;
                let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                let bytes = object.bytes.slice(position(range.start)..position(range.end));
                (bytes, Some(format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))))
            }
        };
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(bytes.len()).ok(),
            content_range,
            content_type: object.attributes.content_type.clone().or_else(|| Some(DEFAULT_TYPE.to_owned())),
            cache_control: object.attributes.cache_control.clone(),
            content_disposition: object.attributes.content_disposition.clone(),
            content_encoding: object.attributes.content_encoding.clone(),
            content_language: object.attributes.content_language.clone(),
            server_side_encryption: object.attributes.server_side_encryption.clone().map(Into::into),
            ssekms_key_id: object.attributes.kms_key_id.clone(),
            metadata: metadata(&object.attributes),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(Timestamp::from(object.modified)),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let may_list = may_list(&request);
        let input = request.input;
        unversioned(input.version_id.as_ref())?;
        let object = self.object(&input.bucket, &input.key, may_list).await?;
        read_conditions(&object.etag, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.bytes.len()).ok(),
            content_type: object.attributes.content_type.clone().or_else(|| Some(DEFAULT_TYPE.to_owned())),
            metadata: metadata(&object.attributes),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(Timestamp::from(object.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = request.input;
        let body = collected(input.body.take()).await?;
        let checked = verified(&input, &body, request.trailing_headers.as_ref())?;
        let attributes = Attributes {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding.filter(|encoding| encoding != "aws-chunked"),
            content_language: input.content_language,
            server_side_encryption: input.server_side_encryption.as_ref().map(|sse| sse.as_str().to_owned()),
            kms_key_id: input.ssekms_key_id.clone(),
            metadata: kept(input.metadata),
            etag: String::new(),
        };
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let (if_match, if_none_match) = (input.if_match, input.if_none_match);
        let holds =
            move |present: Option<&str>| may_replace(present, if_match.as_ref(), if_none_match.as_ref());
        let written =
            self.apart(move |objects| objects.write((&bucket, &key), &body, attributes, holds)).await;
        let etag = written.map_err(|failure| refused(failure, true))?;
        self.cloud.delivered(&input.bucket, &input.key);
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            server_side_encryption: input.server_side_encryption,
            ssekms_key_id: input.ssekms_key_id,
            checksum_crc32: checked.checksum_crc32,
            checksum_crc32c: checked.checksum_crc32c,
            checksum_crc64nvme: checked.checksum_crc64nvme,
            checksum_sha1: checked.checksum_sha1,
            checksum_sha256: checked.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, version_id: None } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "this copy source is not offered here"));
        };
        let object = self.object(bucket, key, true).await?;
        let (attributes, target) = (object.attributes, (input.bucket.clone(), input.key.clone()));
        let bytes = object.bytes;
        let written =
            self.apart(move |objects| objects.write((&target.0, &target.1), &bytes, attributes, |_| true));
        let etag = written.await.map_err(|failure| refused(failure, true))?;
        self.cloud.delivered(&input.bucket, &input.key);
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(Timestamp::from(object.modified)),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        unversioned(input.version_id.as_ref())?;
        let deleted = self.apart(move |objects| objects.delete(&input.bucket, &input.key)).await;
        deleted.map_err(|failure| refused(failure, true))?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let mut deleted = Vec::new();
        for object in input.delete.objects {
            unversioned(object.version_id.as_ref())?;
            let (bucket, key) = (input.bucket.clone(), object.key.clone());
            let done = self.apart(move |objects| objects.delete(&bucket, &key)).await;
            done.map_err(|failure| refused(failure, true))?;
            deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        }
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..DeleteObjectsOutput::default() }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let region = self.cloud.bucket(&request.input.bucket).map(|bucket| bucket.region);
        Ok(S3Response::new(HeadBucketOutput { bucket_region: region, ..HeadBucketOutput::default() }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let max_keys = input.max_keys.unwrap_or(PAGE).clamp(0, PAGE);
        let wanted = Wanted {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().unwrap_or_default(),
            after: input.continuation_token.clone().or_else(|| input.start_after.clone()).unwrap_or_default(),
            limit: usize::try_from(max_keys).unwrap_or(0),
        };
        let (page, rows) = self.page(&input.bucket, wanted).await?;
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: Some(max_keys),
            key_count: i32::try_from(rows.len() + page.common_prefixes.len()).ok(),
            continuation_token: input.continuation_token,
            start_after: input.start_after,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            contents: Some(rows),
            common_prefixes: Some(common_prefixes(page.common_prefixes)),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let max_keys = input.max_keys.unwrap_or(PAGE).clamp(0, PAGE);
        let wanted = Wanted {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().unwrap_or_default(),
            after: input.marker.clone().unwrap_or_default(),
            limit: usize::try_from(max_keys).unwrap_or(0),
        };
        let (page, rows) = self.page(&input.bucket, wanted).await?;
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            marker: input.marker,
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next,
            contents: Some(rows),
            common_prefixes: Some(common_prefixes(page.common_prefixes)),
            ..ListObjectsOutput::default()
        }))
    }
}
