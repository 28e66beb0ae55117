//! The demo origin: an HTTP content service over a generated catalogue. It stands in for a CMS or an API in the demo,
//! in the tests and in the benchmarks, and can be made slow, failing or hanging by flags.
//!
//! In reading order: [`settings`] (the flags), [`catalogue`] (what is served), [`routes`] (how), [`faults`] (how badly),
//! [`stats`] (how often).
//!
//! | request | answer |
//! |---|---|
//! | `GET /content/{id}` | the document as JSON |
//! | `GET /batch?ids=1,2` | one object, id → document; unknown ids are left out |
//! | `GET /batch-array?ids=1,2` | the same as an array |
//! | `GET /batch-ndjson?ids=1,2` | the same, one document a line |
//! | `GET /raw/{id}` | exactly `--body-bytes` bytes of text |
//! | `GET /stats` | counters |
//! | `POST /touch/{id}` | gives the document a new version |
//!
//! Single answers carry `ETag`, `Last-Modified` and `Cache-Control`, and honour `If-None-Match` and `If-Modified-Since`.

mod catalogue;
mod faults;
mod routes;
mod settings;
mod stats;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use axum::serve::ListenerExt;
use clap::Parser;
use tokio::net::TcpListener;

use settings::Settings;

fn main() -> ExitCode {
    let settings = Settings::parse();
    match serve(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("origin: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGINT or SIGTERM. One thread unless `--threads` says otherwise: the benchmarks count cores.
fn serve(settings: &Settings) -> io::Result<()> {
    let mut runtime = match settings.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(usize::from(settings.threads)).enable_all().build()?;
    runtime.block_on(async {
        let origin = routes::Origin::new(settings).map_err(io::Error::other)?;
        let listener = TcpListener::bind(&settings.listen).await?;
        println!("listening on {}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // Without it the answer's last segment would wait for an acknowledgement; a failure only costs speed.
            let _ = stream.set_nodelay(true);
        });
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            result = async { axum::serve(listener, routes::router(Arc::new(origin))).await } => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    })
}
