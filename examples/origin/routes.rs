//! The HTTP interface.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::catalogue::{Catalogue, Version};
use crate::faults::{Fate, Faults};
use crate::settings::Settings;
use crate::stats::{Counter, Stats};

/// Everything that the routes share.
pub(crate) struct Origin {
    catalogue: Catalogue,
    faults: Faults,
    stats: Stats,
    cache_control: HeaderValue,
}

impl Origin {
    /// An origin with its catalogue rendered.
    ///
    /// # Errors
    /// If the catalogue would be too large.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Origin {
            catalogue: Catalogue::new(settings)?,
            faults: Faults::new(settings),
            stats: Stats::default(),
            cache_control: header_value(&format!("max-age={}", settings.max_age)),
        })
    }
}

/// The routes.
pub(crate) fn router(origin: Arc<Origin>) -> Router {
    Router::new()
        .route("/content/{id}", get(content))
        .route("/raw/{id}", get(raw))
        .route("/batch", get(batch))
        .route("/batch-array", get(batch_array))
        .route("/batch-ndjson", get(batch_ndjson))
        .route("/stats", get(stats))
        .route("/touch/{id}", post(touch))
        .with_state(origin)
}

async fn content(State(origin): State<Arc<Origin>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    single(&origin, &origin.stats.content, JSON, &id, &headers, Catalogue::document).await
}

async fn raw(State(origin): State<Arc<Origin>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    single(&origin, &origin.stats.raw, TEXT, &id, &headers, Catalogue::raw).await
}

async fn batch(State(origin): State<Arc<Origin>>, RawQuery(query): RawQuery) -> Response {
    many(&origin, &origin.stats.batch, query, Form { start: "{", join: ",", end: "}", mime: JSON, named: true }).await
}

async fn batch_array(State(origin): State<Arc<Origin>>, RawQuery(query): RawQuery) -> Response {
    let form = Form { start: "[", join: ",", end: "]", mime: JSON, named: false };
    many(&origin, &origin.stats.batch_array, query, form).await
}

async fn batch_ndjson(State(origin): State<Arc<Origin>>, RawQuery(query): RawQuery) -> Response {
    let form = Form { start: "", join: "\n", end: "\n", mime: "application/x-ndjson", named: false };
    many(&origin, &origin.stats.batch_ndjson, query, form).await
}

async fn stats(State(origin): State<Arc<Origin>>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], origin.stats.json().to_string()).into_response()
}

async fn touch(State(origin): State<Arc<Origin>>, Path(id): Path<String>) -> Response {
    match origin.catalogue.touch(&id) {
        Some(version) => ([(header::CONTENT_TYPE, JSON)], format!(r#"{{"version":{version}}}"#)).into_response(),
        None => problem(StatusCode::NOT_FOUND, "no such document"),
    }
}

/// One document, conditionally.
async fn single(
    origin: &Origin,
    counter: &Counter,
    mime: &'static str,
    id: &str,
    headers: &HeaderMap,
    body: fn(&Catalogue, &str) -> Option<Bytes>,
) -> Response {
    counter.add(1);
    if let Some(response) = misfortune(origin).await {
        return response;
    }
    if !origin.catalogue.contains(id) {
        origin.stats.not_found.add(1);
        return problem(StatusCode::NOT_FOUND, "no such document");
    }
    let version = origin.catalogue.version(id);
    let etag = origin.catalogue.entity_tag(version);
    let mut response = if unchanged(headers, &etag, version) {
        origin.stats.not_modified.add(1);
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        origin.stats.documents.add(1);
        let mut response = Response::new(Body::from(body(&origin.catalogue, id).unwrap_or_default()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
        response
    };
    let fields = response.headers_mut();
    fields.insert(header::ETAG, header_value(&etag));
    fields.insert(header::LAST_MODIFIED, header_value(&httpdate::fmt_http_date(date(version))));
    fields.insert(header::CACHE_CONTROL, origin.cache_control.clone());
    response
}

/// How the documents of a batch are strung together.
struct Form {
    start: &'static str,
    join: &'static str,
    end: &'static str,
    mime: &'static str,
    named: bool,
}

/// The documents that exist, in the order of the request.
async fn many(origin: &Origin, counter: &Counter, query: Option<String>, form: Form) -> Response {
    counter.add(1);
    if let Some(response) = misfortune(origin).await {
        return response;
    }
    let Some(ids) = batch_ids(query.as_deref().unwrap_or_default()) else {
        return problem(StatusCode::BAD_REQUEST, "ids=1,2,... is needed, 1 to 1000 of them, percent-encoded UTF-8");
    };
    let mut text = Vec::new();
    let mut served = 0;
    for id in &ids {
        let Some(document) = origin.catalogue.document(id) else {
            origin.stats.not_found.add(1);
            continue;
        };
        if served == 0 {
            text.reserve(ids.len() * (document.len() + id.len() + 8));
        }
        text.extend_from_slice(if served == 0 { form.start } else { form.join }.as_bytes());
        if form.named {
            let mut name = String::new();
            // Writing into a string cannot fail.
            let _ = write!(name, "{}:", serde_json::Value::from(id.as_str()));
            text.extend_from_slice(name.as_bytes());
        }
        text.extend_from_slice(&document);
        served += 1;
    }
    if served == 0 {
        text.extend_from_slice(form.start.as_bytes());
    }
    text.extend_from_slice(form.end.as_bytes());
    origin.stats.documents.add(served);
    ([(header::CONTENT_TYPE, form.mime)], text).into_response()
}

/// Waits, and decides whether this request goes wrong.
async fn misfortune(origin: &Origin) -> Option<Response> {
    origin.faults.delay().await;
    match origin.faults.fate() {
        Fate::Answered => None,
        Fate::Failed => {
            origin.stats.errors.add(1);
            Some(problem(StatusCode::INTERNAL_SERVER_ERROR, "this request was chosen to fail"))
        }
        Fate::Hung => {
            origin.stats.hangs.add(1);
            std::future::pending().await
        }
    }
}

/// Whether the client's copy is the current one. As in RFC 9110, `If-None-Match` decides alone where it is given.
fn unchanged(headers: &HeaderMap, etag: &str, version: Version) -> bool {
    if let Some(field) = headers.get(header::IF_NONE_MATCH) {
        let known = field.to_str().unwrap_or_default();
        return known.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
    }
    let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|field| field.to_str().ok());
    since.and_then(|text| httpdate::parse_http_date(text).ok()).is_some_and(|since| date(version) <= since)
}

fn date(version: Version) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(version.modified)
}

/// The ids of a query `ids=1,2`: commas separate, everything else may be percent-encoded.
fn batch_ids(query: &str) -> Option<Vec<String>> {
    let list = query.split('&').find_map(|field| field.strip_prefix("ids=")).filter(|list| !list.is_empty())?;
    let ids: Option<Vec<String>> = list
        .split(',')
        .take(MAX_BATCH + 1)
        .map(|id| percent_encoding::percent_decode_str(id).decode_utf8().ok().map(Into::into))
        .collect();
    ids.filter(|ids| ids.len() <= MAX_BATCH)
}

fn problem(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], serde_json::json!({ "error": text }).to_string()).into_response()
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const MAX_BATCH: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_split_before_they_are_decoded() {
        assert_eq!(batch_ids("x=1&ids=1,a%2Cb,%C3%A9").unwrap(), ["1", "a,b", "é"]);
        assert_eq!(batch_ids("ids="), None);
        assert_eq!(batch_ids(""), None);
        assert_eq!(batch_ids("ids=%ff"), None);
        let many = |count: usize| format!("ids={}", vec!["1"; count].join(","));
        assert_eq!(batch_ids(&many(1000)).unwrap().len(), 1000);
        assert_eq!(batch_ids(&many(1001)), None);
    }

    #[test]
    fn conditions_follow_the_standard() {
        let version = Version { number: 3, modified: 1000 };
        let asked = |name: header::HeaderName, value: &str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
            unchanged(&headers, "\"v3\"", version)
        };
        assert!(asked(header::IF_NONE_MATCH, "\"v3\""));
        assert!(asked(header::IF_NONE_MATCH, "\"v2\", W/\"v3\""));
        assert!(!asked(header::IF_NONE_MATCH, "\"v2\""));
        assert!(asked(header::IF_MODIFIED_SINCE, "Thu, 01 Jan 1970 00:16:40 GMT"));
        assert!(!asked(header::IF_MODIFIED_SINCE, "Thu, 01 Jan 1970 00:16:39 GMT"));
        assert!(!unchanged(&HeaderMap::new(), "\"v3\"", version));
    }
}
