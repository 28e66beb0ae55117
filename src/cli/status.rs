//! `warmctl status`: the module's figures, readable.

use std::process::ExitCode;

use redis::Value;

use super::connection::Server;
use super::error::Error;
use super::record::text;

/// Show what the module is doing, as WARM.STATS has it
#[derive(clap::Args, Debug)]
pub(crate) struct Status {
    /// Only this section, for example warming, loaders, memory or threads.
    section: Option<String>,
}

/// Runs the command.
pub(crate) fn run(server: &Server, status: &Status) -> Result<ExitCode, Error> {
    let mut command = redis::cmd("WARM.STATS");
    if let Some(section) = &status.section {
        command.arg(section);
    }
    let mut lines = Vec::new();
    outline(&command.query(&mut server.connect()?)?, 0, &mut lines);
    println!("{}", lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// Maps and lists of maps become indented lines; maps of plain values stay on one.
fn outline(value: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Map(pairs) => {
            let plain = pairs.iter().filter(|(_, value)| !nested(value));
            let width = plain.map(|(name, _)| text(name).len()).max().unwrap_or(0);
            for (name, value) in pairs {
                if nested(value) {
                    lines.push(format!("{indent}{}", text(name)));
                    outline(value, depth + 1, lines);
                } else {
                    lines.push(format!("{indent}{:width$}  {}", text(name), text(value)));
                }
            }
        }
        Value::Array(items) if items.iter().any(nested) => {
            items.iter().for_each(|item| outline(item, depth, lines));
        }
        plain => lines.push(format!("{indent}{}", text(plain))),
    }
}

fn nested(value: &Value) -> bool {
    match value {
        Value::Map(pairs) => depth_of(pairs) || pairs.len() > 4,
        Value::Array(items) => items.iter().any(|item| matches!(item, Value::Map(_))),
        _ => false,
    }
}

fn depth_of(pairs: &[(Value, Value)]) -> bool {
    pairs.iter().any(|(_, value)| matches!(value, Value::Map(_) | Value::Array(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, Value)]) -> Value {
        let name = |name: &str| Value::SimpleString(name.to_owned());
        Value::Map(pairs.iter().map(|(field, value)| (name(field), value.clone())).collect())
    }

    #[test]
    fn sections_are_indented_and_small_maps_stay_on_a_line() {
        let latency = map(&[("p50", Value::Int(1)), ("p99", Value::Int(9))]);
        let loader = map(&[("name", Value::Okay), ("latency_ms", latency)]);
        let stats = map(&[
            ("warming", map(&[("completed", Value::Int(3)), ("jobs", Value::Array(vec![]))])),
            ("loaders", loader),
        ]);
        let mut lines = Vec::new();
        outline(&stats, 0, &mut lines);
        let expected =
            ["warming", "  completed  3", "  jobs       ", "loaders", "  name        OK", "  latency_ms  p50=1 p99=9"];
        assert_eq!(lines, expected);
    }
}
