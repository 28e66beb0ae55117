//! Loading the module into each server, and getting rid of it again.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use std::collections::HashSet;

use support::setup::module_file;
use support::{Answer, Client, Edition, Gate, Origin, Server, on_each_server, wait_until};

on_each_server!(
    loads_and_lists_itself,
    a_second_load_is_a_clear_error,
    unloads_and_leaves_nothing_behind,
    unloads_with_loads_in_flight,
    unload_with_a_blocked_client_serves_the_client,
    works_again_after_unload_and_load,
    is_loaded_at_run_time_with_directives,
    shuts_down_with_loads_in_flight,
);

fn loads_and_lists_itself(edition: Edition) {
    let server = Server::start(edition);
    let modules = server.client().run("MODULE LIST").fine().items();
    assert!(modules.iter().any(|module| module.field("name") == "warm"), "{modules:?}");
}

fn a_second_load_is_a_clear_error(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    client.call(&["MODULE", "LOAD", &module_path()]).error();
    assert!(server.log().contains("already loaded"), "{}", server.log());
    assert_eq!(client.run("WARM.GET content:1"), "content of 1", "the first load goes on working");
}

fn unloads_and_leaves_nothing_behind(edition: Edition) {
    let server = Server::setup(edition).plain().start();
    let mut client = server.client();
    load(&mut client);
    let origin = Origin::start();
    server.load_content_from(&origin, "");
    assert_eq!(client.run("WARM.GET content:1"), "content of 1");
    assert!(!module_threads(&server).is_empty(), "the module has threads of its own");

    client.ok("MODULE UNLOAD warm");
    wait_until("the module's threads have ended", || module_threads(&server).is_empty());
    assert!(client.run("WARM.GET content:1").error().contains("unknown command"));
    assert_eq!(client.value_of("content:1").as_deref(), Some("content of 1"));
    client.ok("SET content:1 mine");
    client.ok("FLUSHALL");
    assert!(client.run("CONFIG GET warm.*").fine().fields().is_empty(), "the directives are gone");
    assert!(!client.run("INFO everything").text().contains("warm_"), "the section is gone");
}

fn unloads_with_loads_in_flight(edition: Edition) {
    let server = Server::setup(edition).plain().start();
    let mut client = server.client();
    load(&mut client);
    let origin = Origin::start();
    let gate = Gate::closed();
    for id in 0..20 {
        origin.on(&format!("/content/{id}"), Answer::ok("late").behind(&gate));
    }
    server.load_content_from(&origin, "CONCURRENCY 8");
    let keys: Vec<String> = (0..20).map(|id| format!("content:{id}")).collect();
    client.run(&format!("WARM.LOAD KEYS {}", keys.join(" "))).fine();
    gate.wait_for(1);

    client.ok("MODULE UNLOAD warm");
    wait_until("the module's threads have ended", || module_threads(&server).is_empty());
    gate.open();
    assert_eq!(client.run("DBSIZE"), 0, "what came too late was not written");
}

/// A server refuses to unload a module that has blocked clients; they must not suffer from the attempt.
fn unload_with_a_blocked_client_serves_the_client(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("in time").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    let mut waiting = server.client();
    waiting.send("WARM.GET content:1");
    gate.wait_for(1);

    assert!(client.run("MODULE UNLOAD warm").error().contains("blocked clients"));
    gate.open();
    assert_eq!(waiting.receive(), "in time");
    wait_until("nothing keeps the module any more", || client.run("MODULE UNLOAD warm") == "OK");
}

fn works_again_after_unload_and_load(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut client = server.load_content_from(&origin, "");
    for id in 1..=5 {
        assert_eq!(client.run(&format!("WARM.GET content:{id}")), format!("content of {id}"));
        client.ok("MODULE UNLOAD warm");
        load(&mut client);
        assert!(client.run("WARM.LOADER LIST").items().is_empty(), "the module begins anew");
        server.load_content_from(&origin, "");
    }
    let ids: HashSet<i64> = (0..3).map(|_| client.run("WARM.LOAD KEYS content:100").field("job").int()).collect();
    assert_eq!(ids.len(), 3, "jobs have ids of their own");
    wait_until("the load has ended", || client.value_of("content:100").is_some());
}

fn is_loaded_at_run_time_with_directives(edition: Edition) {
    let server = Server::setup(edition).plain().start();
    let mut client = server.client();
    let refused = ["MODULE", "LOADEX", &module_path(), "CONFIG", "warm.enable-loader-commands", "perhaps"];
    client.call(&refused).error();
    load(&mut client);
    assert_eq!(client.run("CONFIG GET warm.enable-loader-commands").field("warm.enable-loader-commands"), "yes");
}

fn shuts_down_with_loads_in_flight(edition: Edition) {
    let mut server = Server::start(edition);
    let origin = Origin::start();
    let gate = Gate::closed();
    origin.on("/content/1", Answer::ok("never").behind(&gate));
    let mut client = server.load_content_from(&origin, "");
    client.run("WARM.LOAD KEYS content:1").fine();
    let mut waiting = server.client();
    waiting.send("WARM.GET content:1");
    gate.wait_for(1);
    client.send("SHUTDOWN NOSAVE");
    assert!(server.wait_for_end(), "the server did not wait for the origin, and ended well");
}

/// The names of the module's threads.
fn module_threads(server: &Server) -> Vec<String> {
    server.threads().into_iter().filter(|name| name.starts_with("warm")).collect()
}

fn module_path() -> String {
    module_file().display().to_string()
}

fn load(client: &mut Client) {
    let reply = client.call(&["MODULE", "LOADEX", &module_path(), "CONFIG", "warm.enable-loader-commands", "yes"]);
    assert_eq!(reply, "OK");
}
