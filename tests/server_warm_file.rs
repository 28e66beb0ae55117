//! The warm file: definitions that an operator keeps beside redis.conf.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::{Edition, Origin, Server, on_each_server};

on_each_server!(
    is_read_at_load,
    is_read_again_all_or_nothing,
    what_it_defines_is_read_only,
    what_commands_defined_stays,
    values_come_from_the_environment,
    a_missing_variable_is_an_error,
    a_bad_file_at_load_is_reported,
    reload_without_a_file_is_an_error,
);

const LINE: &str = "warm.file {dir}/warm.conf";

fn loader_line(name: &str, origin: &Origin) -> String {
    format!("LOADER SET {name} MATCH {name}:{{id}} URL {}/content/{{id}} RETRIES 0\n", origin.url())
}

fn write(server: &Server, text: &str) {
    std::fs::write(server.folder().join("warm.conf"), text).expect("the file can be written");
}

fn is_read_at_load(edition: Edition) {
    let origin = Origin::start();
    let text = format!(
        "# what we load\n\n   \n{}loader set \"b\" match 'b:{{id}}' url \"{}/content/{{id}}\" header \"X-Two: a b\"\n",
        loader_line("a", &origin),
        origin.url()
    );
    let server = Server::setup(edition).without_permission().file("warm.conf", &text).line(LINE).start();
    let mut client = server.client();
    let mut names = client.run("WARM.LOADER LIST").texts();
    names.sort();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(client.run("WARM.GET a:1"), "content of 1");
    assert_eq!(client.run("WARM.GET b:2"), "content of 2");
    assert_eq!(origin.history()[1].headers["x-two"], "a b");
}

fn is_read_again_all_or_nothing(edition: Edition) {
    let origin = Origin::start();
    let (a, b) = (loader_line("a", &origin), loader_line("b", &origin));
    let server = Server::setup(edition).file("warm.conf", &a).line(LINE).start();
    let mut client = server.client();
    write(&server, &b);
    client.ok("WARM.CONFIG RELOAD");
    assert_eq!(client.run("WARM.LOADER LIST").texts(), ["b"], "what its line defined goes with its line");
    assert!(client.run("WARM.GET a:1").error().starts_with("NOLOADER "));

    for (bad, named) in [
        (format!("{a}# a comment\nLOADER SET c MATCH c:{{id}} URL http://h/{{nope}}\n"), "nope"),
        (format!("{a}\nLOADER SET c MATCH c:{{id}} URL http://h/ TTL soon\n"), "soon"),
        (format!("{a}\nFLY to the moon\n"), "statement"),
        (format!("{a}\nLOADER SET c \"unbalanced\n"), "quot"),
        (format!("{a}\nLOADER DEL b\n"), "statement"),
        (format!("{a}\n{a}"), "a"),
    ] {
        write(&server, &bad);
        let error = client.run("WARM.CONFIG RELOAD").error();
        assert!(error.starts_with("ERR ") && error.contains('3'), "line 3 of {bad:?}: {error}");
        assert!(error.to_lowercase().contains(&named.to_lowercase()), "{bad:?}: {error}");
        assert_eq!(client.run("WARM.LOADER LIST").texts(), ["b"], "{bad:?} changed something");
        assert_eq!(client.run("WARM.GET b:1"), "content of 1");
    }
    std::fs::remove_file(server.folder().join("warm.conf")).expect("it was there");
    assert!(client.run("WARM.CONFIG RELOAD").error().contains("warm.conf"));
    assert_eq!(client.run("WARM.LOADER LIST").texts(), ["b"]);
    write(&server, "\0\u{1}\u{fffd}".repeat(1000).as_str());
    client.run("WARM.CONFIG RELOAD").error();
    write(&server, "");
    client.ok("WARM.CONFIG RELOAD");
    assert!(client.run("WARM.LOADER LIST").items().is_empty());
}

fn what_it_defines_is_read_only(edition: Edition) {
    let origin = Origin::start();
    let server = Server::setup(edition).file("warm.conf", &loader_line("a", &origin)).line(LINE).start();
    let mut client = server.client();
    let set = loader_line("a", &origin);
    for command in [set.trim_end(), "LOADER DEL a"] {
        let error = client.run(&format!("WARM.{command}")).error();
        assert!(error.starts_with("ERR ") && error.contains("file"), "{command}: {error}");
    }
    client.run("WARM.LOADER PAUSE a").fine();
    client.run("WARM.LOADER RESUME a").fine();
    assert_eq!(client.run("WARM.GET a:1"), "content of 1");
}

fn what_commands_defined_stays(edition: Edition) {
    let origin = Origin::start();
    let server = Server::setup(edition).file("warm.conf", &loader_line("a", &origin)).line(LINE).start();
    let mut client = server.load_content_from(&origin, "");
    write(&server, "");
    client.ok("WARM.CONFIG RELOAD");
    assert_eq!(client.run("WARM.LOADER LIST").texts(), ["content"]);
}

fn values_come_from_the_environment(edition: Edition) {
    let origin = Origin::start();
    let text = format!(
        "LOADER SET a MATCH a:{{id}} URL {}/${{WARM_PLACE}}/{{id}} HEADER \"X-Token: ${{WARM_TOKEN}}\"\n",
        origin.url()
    );
    let server = Server::setup(edition)
        .file("warm.conf", &text)
        .line(LINE)
        .variable("WARM_TOKEN", "s3cret \"quoted\"")
        .variable("WARM_PLACE", "content")
        .start();
    let mut client = server.client();
    assert_eq!(client.run("WARM.GET a:1"), "content of 1");
    assert_eq!(origin.history()[0].headers["x-token"], "s3cret \"quoted\"");
    let shown = client.run("WARM.LOADER GET a");
    assert_eq!(shown.field("url"), format!("{}/***/{{id}}", origin.url()));
    assert!(!format!("{shown:?}").contains("s3cret") && !server.log().contains("s3cret"), "{shown:?}");
}

fn a_missing_variable_is_an_error(edition: Edition) {
    let origin = Origin::start();
    let server = Server::setup(edition).file("warm.conf", &loader_line("a", &origin)).line(LINE).start();
    write(&server, "\nLOADER SET b MATCH b:{id} URL http://h/ HEADER \"X: ${WARM_NOT_SET}\"\n");
    let error = server.client().run("WARM.CONFIG RELOAD").error();
    assert!(error.contains("WARM_NOT_SET") && error.contains('2'), "{error}");
    assert_eq!(server.client().run("WARM.LOADER LIST").texts(), ["a"]);
}

fn a_bad_file_at_load_is_reported(edition: Edition) {
    let origin = Origin::start();
    let text = format!("{}\nLOADER SET b MATCH b:{{id}} URL http://h/ TTL soon\n", loader_line("a", &origin));
    let server = Server::setup(edition).file("warm.conf", &text).line(LINE).start();
    let mut client = server.client();
    let log = server.log();
    assert!(log.contains("soon") && log.contains("line 3"), "{log}");
    assert!(client.run("WARM.LOADER LIST").items().is_empty(), "all or nothing");
    write(&server, &loader_line("a", &origin));
    client.ok("WARM.CONFIG RELOAD");
    assert_eq!(client.run("WARM.GET a:1"), "content of 1");
}

fn reload_without_a_file_is_an_error(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    assert!(client.run("WARM.CONFIG RELOAD").error().contains("warm.file"));
    client.run("WARM.CONFIG").error();
    client.run("WARM.CONFIG FLY").error();
}
