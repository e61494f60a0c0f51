//! May this caller do this? Asked for every operation, before anything else happens.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use mint_permissions::{Caller as IamCaller, Context, Decision, Policy, Request, decide};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::CopySource;
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::Visit;
use super::actions::{Extras, Target, actions, is_known_parameter};
use super::context::context;
use super::signed::Signed;
use crate::calls::Caller;
use crate::cloud::Cloud;
use crate::policies::{Role, refusing_writes};
use crate::sts::{Session, SessionRefusal};
use crate::world::ExistingBucket;

/// The one role whose write may bring a bucket into being.
const DISTRIBUTOR: &str = "arn:aws:iam::000000000000:role/mint-distributor";

/// The secret keys that signatures are verified with.
pub(crate) struct Keys(pub(crate) Arc<Cloud>);

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let secret = self.0.sessions.secret(access_key).ok_or_else(unknown_access_key)?;
        Ok(SecretKey::from(secret.as_str()))
    }
}

/// What an allowed caller may also do: it decides how a missing object is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MayList(pub(crate) bool);

pub(crate) struct Access(pub(crate) Arc<Cloud>);

#[async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let visit = cx.extensions_mut().get::<Visit>().cloned().unwrap_or_default();
        visit.note(|seen| seen.checked = true);
        let may_list = self.decide(cx, &visit)?;
        cx.extensions_mut().insert(may_list);
        Ok(())
    }
}

impl Access {
    fn decide(&self, cx: &S3AccessContext<'_>, visit: &Visit) -> S3Result<MayList> {
        let operation = cx.s3_op().name();
        let access_key = &cx.credentials().ok_or_else(|| denied("the request is not signed"))?.access_key;
        let signed =
            Signed::read(cx.headers(), cx.uri()).ok_or_else(|| denied("the signature cannot be read"))?;
        let session = self.session(access_key, &signed)?;
        visit.note(|seen| seen.caller = self.caller(&session, cx.s3_path().get_object_key()));
        if signed.service != "s3" {
            return Err(error(
                S3ErrorCode::AuthorizationHeaderMalformed,
                "the credential scope is not for s3",
            ));
        }
        if let Some(name) = signed.unsigned(cx.headers()) {
            return Err(denied(&format!("the header {name} is present and was not signed")));
        }
        if let Some((name, _)) = signed.query().find(|(name, _)| !is_known_parameter(operation, name)) {
            return Err(denied(&format!("the parameter {name} of {operation} is not known here")));
        }
        let bucket = self.bucket(cx, &signed, &session)?;
        let role =
            self.0.role(&session.role_arn).ok_or_else(|| denied("the role does not exist any more"))?;
        let asked = Asked { cx, signed: &signed, session: &session, role: &role, bucket: bucket.as_ref() };
        self.by_policies(&asked)
    }

    /// The session of the access key: only with the token that was given out with it.
    fn session(&self, access_key: &str, signed: &Signed) -> S3Result<Session> {
        let token = signed.token.as_deref().ok_or_else(unknown_access_key)?;
        self.0.sessions.recognize(access_key, token, self.0.ground.clock.now()).map_err(|refusal| {
            match refusal {
                SessionRefusal::Invalid => {
                    error(S3ErrorCode::InvalidToken, "the provided token is malformed or otherwise invalid")
                }
                SessionRefusal::Expired => error(S3ErrorCode::ExpiredToken, "the provided token has expired"),
            }
        })
    }

    fn caller(&self, session: &Session, key: Option<&str>) -> Caller {
        let caller = Caller::principal(&session.assumed_role_arn());
        match key.and_then(|key| self.0.application_of(key)) {
            Some(application) => caller.with_application(&application),
            None => caller,
        }
    }

    /// The bucket must exist, be in the region that was signed for, and belong to the owner that is expected.
    fn bucket(
        &self,
        cx: &S3AccessContext<'_>,
        signed: &Signed,
        session: &Session,
    ) -> S3Result<Option<ExistingBucket>> {
        let Some(name) = cx.s3_path().get_bucket_name() else { return Ok(None) };
        let operation = cx.s3_op().name();
        let owner = signed.parameter(cx.headers(), "x-amz-expected-bucket-owner");
        let bucket = match (self.0.bucket(name), &owner) {
            (Some(bucket), _) => bucket,
            (None, _) if operation == "CreateBucket" => return Ok(None),
            (None, Some(owner)) if operation == "PutObject" && session.role_arn == DISTRIBUTOR => self
                .0
                .adopt(name, &signed.region, owner)
                .map_err(S3Error::internal_error)?
                .ok_or_else(|| no_such_bucket(name))?,
            (None, _) => return Err(no_such_bucket(name)),
        };
        if bucket.region != signed.region {
            return Err(wrong_region(signed, &bucket.region));
        }
        if owner.is_some_and(|owner| owner != bucket.account_id) {
            return Err(denied("the bucket does not belong to the expected owner"));
        }
        Ok(Some(bucket))
    }

    fn by_policies(&self, asked: &Asked<'_>) -> S3Result<MayList> {
        let Asked { cx, signed, session, role, bucket } = *asked;
        let source = source(cx)?;
        let needed = actions(cx.s3_op().name(), extras(cx.headers(), signed, source.as_ref()))
            .ok_or_else(|| denied("this operation is not known here"))?;
        let context = context(&*self.0.ground.clock, cx.headers(), signed, (session, role), bucket);
        for (action, target) in needed {
            let resource = resource(cx, target, source.as_ref())?;
            let bucket_name = match (target, &source) {
                (Target::Source, Some(source)) => Some(source.bucket.as_str()),
                _ => cx.s3_path().get_bucket_name(),
            };
            let decision = self.evaluate(asked, bucket_name, action, &resource, &context)?;
            if !decision.is_allow() {
                return Err(not_authorized(session, action, &resource, decision));
            }
        }
        self.may_list(asked, &context)
    }

    fn may_list(&self, asked: &Asked<'_>, context: &Context) -> S3Result<MayList> {
        let Some(name) = asked.cx.s3_path().get_bucket_name() else { return Ok(MayList(false)) };
        let resource = format!("arn:aws:s3:::{name}");
        let decision = self.evaluate(asked, Some(name), "s3:ListBucket", &resource, context)?;
        Ok(MayList(decision.is_allow()))
    }

    /// The role's own policies and the bucket's.
    fn evaluate(
        &self,
        asked: &Asked<'_>,
        bucket: Option<&str>,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> S3Result<Decision> {
        let bucket = bucket.and_then(|name| self.0.bucket(name));
        let of_bucket: Option<Policy> = match bucket.filter(|bucket| bucket.refuses_writes) {
            Some(bucket) => Some(refusing_writes(&bucket.name).map_err(S3Error::internal_error)?),
            None => None,
        };
        let request = Request {
            caller: IamCaller::role_session(&asked.role.account, &asked.role.name, &asked.session.name),
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: context.clone(),
        };
        Ok(decide(asked.role.policies.iter().chain(&of_bucket), &request))
    }
}

/// Who asks for what.
#[derive(Clone, Copy)]
struct Asked<'a> {
    cx: &'a S3AccessContext<'a>,
    signed: &'a Signed,
    session: &'a Session,
    role: &'a Role,
    bucket: Option<&'a ExistingBucket>,
}

/// The object that is copied from.
struct Source {
    bucket: String,
    key: String,
    versioned: bool,
}

fn source(cx: &S3AccessContext<'_>) -> S3Result<Option<Source>> {
    let Some(header) = cx.headers().get("x-amz-copy-source") else { return Ok(None) };
    let parsed = header.to_str().ok().and_then(|text| CopySource::parse(text).ok());
    match parsed {
        Some(CopySource::Bucket { bucket, key, version_id }) => {
            Ok(Some(Source { bucket: bucket.into(), key: key.into(), versioned: version_id.is_some() }))
        }
        Some(CopySource::AccessPoint { .. } | CopySource::Outpost { .. }) | None => {
            Err(denied("this copy source is not known here"))
        }
    }
}

fn extras(headers: &HeaderMap, signed: &Signed, source: Option<&Source>) -> Extras {
    let has = |name: &str| signed.parameter(headers, name).is_some();
    let grants =
        ["x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write-acp"];
    Extras {
        version: signed.query().any(|(name, _)| name == "versionId"),
        source_version: source.is_some_and(|source| source.versioned),
        grants: has("x-amz-acl") || grants.into_iter().any(has),
        tags: has("x-amz-tagging"),
        retention: has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date"),
        legal_hold: has("x-amz-object-lock-legal-hold"),
    }
}

fn resource(cx: &S3AccessContext<'_>, target: Target, source: Option<&Source>) -> S3Result<String> {
    let path = cx.s3_path();
    let bucket = path.get_bucket_name().unwrap_or_default();
    let object = || denied("the request names no object");
    Ok(match target {
        Target::Object => format!("arn:aws:s3:::{bucket}/{}", path.get_object_key().ok_or_else(object)?),
        Target::Source => {
            let source = source.ok_or_else(object)?;
            format!("arn:aws:s3:::{}/{}", source.bucket, source.key)
        }
        Target::Bucket => format!("arn:aws:s3:::{bucket}"),
        // No object is called `*` by a policy that does not mean all of them.
        Target::AnyObject => format!("arn:aws:s3:::{bucket}/*"),
        Target::Everything => "*".to_owned(),
    })
}

fn error(code: S3ErrorCode, message: &'static str) -> S3Error {
    S3Error::with_message(code, message)
}

fn denied(message: &str) -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessDenied, message.to_owned())
}

/// What AWS answers to a temporary access key without its token: such a key is nobody's.
fn unknown_access_key() -> S3Error {
    error(
        S3ErrorCode::InvalidAccessKeyId,
        "the access key id does not exist, or its session token is missing",
    )
}

fn no_such_bucket(name: &str) -> S3Error {
    S3Error::with_message(S3ErrorCode::NoSuchBucket, format!("the bucket {name} does not exist"))
}

fn wrong_region(signed: &Signed, region: &str) -> S3Error {
    let code = if signed.presigned {
        S3ErrorCode::AuthorizationQueryParametersError
    } else {
        S3ErrorCode::AuthorizationHeaderMalformed
    };
    let message = format!("the region '{}' is wrong; expecting '{region}'", signed.region);
    let mut error = S3Error::with_message(code, message);
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(region) = HeaderValue::from_str(region) {
        headers.insert("x-amz-bucket-region", region);
    }
    error.set_headers(headers);
    error
}

fn not_authorized(session: &Session, action: &str, resource: &str, decision: Decision) -> S3Error {
    let why = match decision {
        Decision::ExplicitDeny => "with an explicit deny in a resource-based policy".to_owned(),
        Decision::ImplicitDeny | Decision::Allow => {
            format!("because no identity-based policy allows the {action} action")
        }
    };
    let who = session.assumed_role_arn();
    denied(&format!("User: {who} is not authorized to perform: {action} on resource: \"{resource}\" {why}"))
}
