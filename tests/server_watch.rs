//! What the module sees of its keys: reads by every way in which a client can read, misses, and what becomes of keys. And
//! what it must not see: its own doings, what is no read, what a master does on its replica.

#[expect(dead_code, reason = "no test file needs all of what they share")]
mod support;

use support::jobs::finished;
use support::{Client, Edition, Origin, Server, on_each_server, wait_until};

on_each_server!(
    every_read_of_a_value_counts_once_a_key,
    what_is_no_read_does_not_count,
    pipelines_transactions_and_scripts_count_once,
    a_miss_follows_its_read,
    reading_through_is_seen_and_own_work_is_not,
    ends_of_keys_are_told,
    writes_are_told_with_their_expiry,
    reads_belong_to_the_clients_database,
    a_replica_sees_nothing_until_it_is_promoted,
    loading_its_data_is_not_seen,
    accesses_can_be_told,
    a_flood_is_dropped_and_counted,
    hostile_commands_do_no_harm,
);

/// Looks at what was seen, from a connection of its own.
struct Witness {
    client: Client,
    told: i64,
}

/// What was seen so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Seen {
    accesses: i64,
    misses: i64,
    written: i64,
    deleted: i64,
}

impl Witness {
    /// Defines the loader `content` for `content:{id}`, from an origin that nobody can reach.
    fn of(server: &Server) -> Self {
        let mut client = server.client();
        client.ok("WARM.LOADER SET content MATCH content:{id} URL http://127.0.0.1:1/{id} RETRIES 0");
        Witness { client, told: 0 }
    }

    /// One figure, once everything that happened until now has reached the engine: the ring keeps the order.
    #[track_caller]
    fn figure(&mut self, name: &str) -> i64 {
        self.client.ok("WARM.TRACK witness");
        self.told += 1;
        let (client, told) = (&mut self.client, self.told);
        wait_until("the engine has heard of all", || figure(client, "watch_told") == told);
        figure(client, name)
    }

    #[track_caller]
    fn seen(&mut self) -> Seen {
        let accesses = self.figure("watch_accesses");
        let client = &mut self.client;
        Seen {
            accesses,
            misses: figure(client, "watch_misses"),
            written: figure(client, "watch_written"),
            deleted: figure(client, "watch_deleted"),
        }
    }
}

#[track_caller]
fn figure(client: &mut Client, name: &str) -> i64 {
    client.run("WARM.STATS threads").fine().field(name).int()
}

/// Runs each command and checks how many accesses and misses it comes to.
#[track_caller]
fn assert_counts(witness: &mut Witness, client: &mut Client, cases: &[(&str, i64, i64)]) {
    for (command, accesses, misses) in cases {
        let before = witness.seen();
        // An error is a reply like any other here.
        client.run(command);
        let after = witness.seen();
        let counted = (after.accesses - before.accesses, after.misses - before.misses);
        assert_eq!(counted, (*accesses, *misses), "{command}");
    }
}

fn fill(client: &mut Client) {
    for command in [
        "SET content:s text",
        "SET content:n 5",
        "HSET content:h f v",
        "RPUSH content:l a b",
        "SADD content:t a b",
        "ZADD content:z 1 a",
        "ZADD content:y 1 b",
        "XADD content:x * f v",
        "SET other:1 text",
    ] {
        client.run(command).fine();
    }
}

fn every_read_of_a_value_counts_once_a_key(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut client) = (Witness::of(&server), server.client());
    fill(&mut client);
    let cases = [
        ("GET content:s", 1, 0),
        ("get content:s", 1, 0),
        ("MGET content:s content:n other:1 content:s", 3, 0),
        ("GETRANGE content:s 0 1", 1, 0),
        ("GETEX content:s", 1, 0),
        ("HGET content:h f", 1, 0),
        ("HGETALL content:h", 1, 0),
        ("HMGET content:h f g", 1, 0),
        ("LRANGE content:l 0 -1", 1, 0),
        ("SMEMBERS content:t", 1, 0),
        ("ZRANGE content:z 0 -1", 1, 0),
        ("ZUNION 2 content:z content:y WITHSCORES", 2, 0),
        ("ZUNION 2 content:z other:z", 1, 0),
        ("XRANGE content:x - +", 1, 0),
        ("XREAD COUNT 1 STREAMS content:x other:x 0 0", 1, 0),
        ("SORT_RO content:l ALPHA", 1, 0),
        ("LCS content:s content:n", 2, 0),
        // The server refuses it only after it was seen.
        ("HGET content:s f", 1, 0),
    ];
    assert_counts(&mut witness, &mut client, &cases);
    if edition == Edition::Redis82 {
        client.run("VADD content:v VALUES 2 1 1 element").fine();
        assert_counts(&mut witness, &mut client, &[("VEMB content:v element", 1, 0)]);
    }
}

fn what_is_no_read_does_not_count(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut client) = (Witness::of(&server), server.client());
    fill(&mut client);
    let commands = [
        "GET other:1",
        "GET content",
        "EXISTS content:s content:none",
        "TTL content:none",
        "TYPE content:s",
        "STRLEN content:s",
        "STRLEN content:none",
        "OBJECT ENCODING content:s",
        "DUMP content:s",
        "TOUCH content:s",
        "SCAN 0 MATCH content:*",
        "KEYS content:*",
        "SET content:s text",
        "INCR content:n",
        "GET",
        "GET content:s content:n",
        "ZUNION 9 content:z",
        "ZUNION x content:z",
        "NOSUCH content:s",
        "OBJECT|ENCODING content:s",
        "WARM.PROGRESS content:s",
        "WARM.LOADER TEST content content:s",
        "COMMAND GETKEYS GET content:s",
        "DEBUG OBJECT content:s",
    ];
    assert_counts(&mut witness, &mut client, &commands.map(|command| (command, 0, 0)));
}

fn pipelines_transactions_and_scripts_count_once(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut client) = (Witness::of(&server), server.client());
    fill(&mut client);
    for _ in 0..1000 {
        client.send("GET content:s");
    }
    (0..1000).for_each(|_| assert_eq!(client.receive(), "text"));
    assert_eq!(witness.seen().accesses, 1000);

    let before = witness.seen().accesses;
    client.ok("MULTI");
    for command in ["GET content:s", "GET content:none", "MGET content:n other:1"] {
        assert_eq!(client.run(command), "QUEUED");
    }
    client.run("EXEC").fine();
    let after = witness.seen();
    assert_eq!((after.accesses - before, after.misses), (3, 1));

    // Seen when it is queued; that it is never executed is not held against it, and nothing can miss.
    client.ok("MULTI");
    assert_eq!(client.run("GET content:none"), "QUEUED");
    client.ok("DISCARD");
    assert_eq!((witness.seen().accesses, witness.seen().misses), (after.accesses + 1, after.misses));

    let library = "#!lua name=reader\nredis.register_function{function_name='reader', callback=function(keys) return \
                   redis.call('GET', keys[1]) end, flags={'no-writes'}}";
    client.call(&["FUNCTION", "LOAD", library]).fine();
    let cases = [
        ("EVAL return(redis.call('GET',KEYS[1])) 1 content:s", 1, 0),
        ("EVAL return(redis.call('MGET',KEYS[1],'content:n')) 1 content:s", 2, 0),
        ("EVAL_RO return(redis.pcall('GET',KEYS[1])) 1 content:none", 1, 1),
        ("EVAL return(1) 1 content:s", 0, 0),
        ("FCALL reader 1 content:s", 1, 0),
        ("FCALL_RO reader 1 content:none", 1, 1),
        ("FCALL_RO reader 1 other:1", 0, 0),
    ];
    assert_counts(&mut witness, &mut client, &cases);
}

fn a_miss_follows_its_read(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut client) = (Witness::of(&server), server.client());
    fill(&mut client);
    let cases = [
        ("GET content:none", 1, 1),
        ("MGET content:none content:s other:none content:nil", 3, 2),
        ("HGETALL content:none", 1, 1),
        ("HGET content:h none", 1, 0),
        ("GETEX content:none", 1, 1),
        ("GET other:none", 0, 0),
        ("EXISTS content:none", 0, 0),
    ];
    assert_counts(&mut witness, &mut client, &cases);
    client.ok("SET content:brief x PX 1");
    wait_until("it has expired", || client.run("EXISTS content:brief") == 0);
    assert_counts(&mut witness, &mut client, &[("GET content:brief", 1, 1)]);
}

fn reading_through_is_seen_and_own_work_is_not(edition: Edition) {
    let server = Server::start(edition);
    let origin = Origin::start();
    let mut witness = Witness::of(&server);
    let mut client = server.load_content_from(&origin, "");
    let cases = [
        ("WARM.GET content:1", 1, 1),
        ("WARM.GET content:1", 1, 0),
        ("WARM.MGET content:1 content:2 other:1 TIMEOUT 5s", 2, 1),
        ("WARM.LEASE content:1", 1, 0),
        ("WARM.LEASE content:3", 1, 1),
        ("WARM.GET", 0, 0),
    ];
    assert_counts(&mut witness, &mut client, &cases);
    let before = witness.seen();
    let loaded = client.run("WARM.LOAD FORCE KEYS content:1 content:4 content:5").fine();
    finished(&mut client, &loaded);
    let loaded = client.run("WARM.LOAD KEYS content:4 content:6").fine();
    finished(&mut client, &loaded);
    assert_eq!(witness.seen(), Seen { ..before }, "own reads, fetches and writes");
    assert_eq!(before.written, 0);
}

fn ends_of_keys_are_told(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut client) = (Witness::of(&server), server.client());
    client.run("MSET content:1 x content:2 x content:3 x content:4 x other:1 x").fine();
    client.run("DEL content:1 other:1 content:none").fine();
    client.run("UNLINK content:2").fine();
    client.run("GETDEL content:3").fine();
    client.ok("RENAME content:4 other:4");
    assert_eq!(witness.seen().deleted, 4);

    client.ok("SET content:brief x PX 1");
    client.ok("SET other:brief x PX 1");
    wait_until("both have expired", || client.run("EXISTS content:brief other:brief") == 0);
    assert_eq!(witness.figure("watch_expired"), 1);

    client.run("MSET content:1 x content:2 x other:1 x").fine();
    client.ok("CONFIG SET maxmemory-policy allkeys-random");
    client.ok("CONFIG SET maxmemory 1");
    wait_until("all are evicted", || {
        client.run("SET other:more x");
        client.run("DBSIZE") == 0
    });
    client.ok("CONFIG SET maxmemory 0");
    assert_eq!(witness.figure("watch_evicted"), 2);
}

fn writes_are_told_with_their_expiry(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut client) = (Witness::of(&server), server.client());
    // A command may fire two events, the first before the key has its expiry.
    let cases = [
        ("SET content:1 x", 1..=1, 0..=0),
        ("EXPIRE content:1 100", 1..=1, 1..=1),
        ("PERSIST content:1", 1..=1, 0..=0),
        ("SET content:1 x PX 100000", 1..=2, 1..=2),
        ("APPEND content:1 y", 1..=1, 1..=1),
        ("HSET content:h f v", 1..=1, 0..=0),
        ("RENAME content:1 content:2", 1..=1, 1..=1),
        ("SET other:1 x EX 100", 0..=0, 0..=0),
        ("EXPIRE content:none 100", 0..=0, 0..=0),
        ("DEL content:h", 0..=0, 0..=0),
        ("EVAL return(redis.call('SET',KEYS[1],'x')) 1 content:3", 1..=1, 0..=0),
    ];
    for (command, written, expiring) in cases {
        let before = (witness.figure("watch_written"), witness.figure("watch_written_expiring"));
        client.run(command).fine();
        let after = (witness.figure("watch_written"), witness.figure("watch_written_expiring"));
        assert!(written.contains(&(after.0 - before.0)), "{command}: {before:?} {after:?}");
        assert!(expiring.contains(&(after.1 - before.1)), "{command}: {before:?} {after:?}");
    }
}

fn reads_belong_to_the_clients_database(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut first, mut second) = (Witness::of(&server), server.client(), server.client());
    second.ok("SELECT 1");
    second.ok("SET content:1 x");
    for _ in 0..5 {
        second.run("GET content:1").fine();
    }
    assert_eq!(witness.figure("watch_accesses_elsewhere"), 5);
    second.run("EVAL return(redis.call('GET',KEYS[1])) 1 content:1").fine();
    assert_eq!(witness.figure("watch_accesses_elsewhere"), 6);
    if edition == Edition::Redis70 {
        // It does not tell whose command it is: a read is where the cache was last seen.
        first.ok("SET content:1 x");
        first.run("GET content:1").fine();
        assert_eq!(witness.figure("watch_accesses_elsewhere"), 6);
        return;
    }
    for _ in 0..5 {
        first.run("GET content:1").fine();
        second.run("GET content:1").fine();
    }
    assert_eq!(witness.figure("watch_accesses_elsewhere"), 11);
    second.ok("SELECT 0");
    second.run("GET content:1").fine();
    second.ok("MULTI");
    second.run("SELECT 2").fine();
    second.run("EXEC").fine();
    assert_eq!(witness.figure("watch_accesses_elsewhere"), 11);
    second.run("GET content:1").fine();
    assert_eq!(witness.figure("watch_accesses_elsewhere"), 12);
    assert_eq!(second.run("RESET"), "RESET");
    second.run("GET content:1");
    assert_eq!(witness.figure("watch_accesses_elsewhere"), 12);
    assert_eq!(witness.figure("watch_accesses"), 6 + 10 + 3);
}

fn a_replica_sees_nothing_until_it_is_promoted(edition: Edition) {
    let master = Server::setup(edition).with_port().start();
    let mut writer = master.client();
    let replica = Server::setup(edition).replica_of(&master).start();
    replica.wait_for_sync();
    let mut client = replica.client();
    client.ok("WARM.LOADER SET content MATCH content:{id} URL http://127.0.0.1:1/{id}");
    writer.run("MSET content:1 x content:2 x").fine();
    writer.run("DEL content:2").fine();
    writer.ok("SET content:3 x PX 1");
    wait_until("the writes have come", || client.value_of("content:1").is_some());
    client.run("MGET content:1 content:none").fine();
    client.ok("WARM.TRACK content:1");
    assert_eq!(figure(&mut client, "watch_seen"), 0);

    client.ok("REPLICAOF NO ONE");
    client.run("GET content:1").fine();
    wait_until("the read was seen", || figure(&mut client, "watch_accesses") == 1);
}

fn loading_its_data_is_not_seen(edition: Edition) {
    let server = Server::setup(edition)
        .line("appendonly yes")
        .file("warm.conf", "LOADER SET content MATCH content:{id} URL http://127.0.0.1:1/{id}\n")
        .line("warm.file {dir}/warm.conf")
        .start();
    let mut client = server.client();
    client.run("MSET content:1 x content:2 x").fine();
    client.run("DEL content:2").fine();
    wait_until("the writes were seen", || figure(&mut client, "watch_deleted") == 1);
    client.ok("DEBUG LOADAOF");
    assert_eq!(client.value_of("content:1").as_deref(), Some("x"));
    wait_until("the read was seen", || figure(&mut client, "watch_accesses") == 1);
    assert_eq!((figure(&mut client, "watch_written"), figure(&mut client, "watch_deleted")), (2, 1));
    drop(client);

    let server = server.restart();
    let mut client = server.client();
    assert_eq!(client.run("EXISTS content:1"), 1);
    assert_eq!(figure(&mut client, "watch_seen"), 0);
}

fn accesses_can_be_told(edition: Edition) {
    let server = Server::start(edition);
    let mut client = server.client();
    client.ok("WARM.TRACK content:1");
    client.ok("WARM.TRACK content:1 USER alice REGION eu COUNT 10");
    client.ok("MULTI");
    assert_eq!(client.run("WARM.TRACK content:1 COUNT 100"), "QUEUED");
    assert_eq!(client.run("EXEC").items()[0], "OK");
    client.run("EVAL return(redis.call('WARM.TRACK',KEYS[1],'COUNT','1000')) 1 content:1").fine();
    wait_until("all were told", || figure(&mut client, "watch_told") == 1111);
    for wrong in ["WARM.TRACK", "WARM.TRACK content:1 COUNT 0", "WARM.TRACK content:1 COUNT 1000001", "WARM.TRACK a b"]
    {
        assert!(client.run(wrong).error().starts_with("ERR"), "{wrong}");
    }
    assert_eq!(figure(&mut client, "watch_seen"), 4);
    assert_eq!(client.run("COMMAND GETKEYS WARM.TRACK content:1 USER u").items()[0], "content:1");
}

/// One command names more bytes of keys than the ring holds.
fn a_flood_is_dropped_and_counted(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut client) = (Witness::of(&server), server.client());
    let long = "x".repeat(8000);
    let names: Vec<String> = (0..1000).map(|n| format!("content:{n:04}{long}")).collect();
    let mut words = vec!["MGET"];
    words.extend(names.iter().map(String::as_str));
    assert_eq!(client.call(&words).items().len(), 1000);
    let (seen, dropped) = (figure(&mut client, "watch_seen"), figure(&mut client, "watch_dropped"));
    assert!(dropped > 0 && seen >= 100, "{seen} seen, {dropped} dropped");
    assert_eq!(seen + dropped, 1000);
    wait_until("what was seen has been heard", || figure(&mut client, "watch_accesses") == seen);
    assert_eq!(figure(&mut client, "watch_misses"), 0, "whose read may have been dropped");
    // Drops make it watch less for a while.
    let before = witness.seen().accesses;
    wait_until("reads are seen again", || {
        client.run("GET content:s").fine();
        witness.seen().accesses > before
    });
    wait_until("everything is watched again", || figure(&mut client, "watch_sampled_one_in") == 1);
    assert_eq!(figure(&mut client, "watch_dropped"), dropped);
}

fn hostile_commands_do_no_harm(edition: Edition) {
    let server = Server::start(edition);
    let (mut witness, mut client) = (Witness::of(&server), server.client());
    let key = |bytes: usize| format!("content:{}", "x".repeat(bytes - 8)).into_bytes();
    client.call(&[b"GET".to_vec(), key(8192)]).fine();
    client.call(&[b"GET".to_vec(), key(8193)]).fine();
    client.call(&[b"GET".to_vec(), key(1 << 20)]).fine();
    client.call(&[b"GET".to_vec(), b"content:\0\xff\r\n".to_vec()]).fine();
    client.call(&[b"GET".to_vec(), Vec::new()]).fine();
    client.call(&[vec![b'G'; 100_000], key(10)]).error();
    client.call(&[b"XREAD".to_vec(), b"STREAMS".to_vec()]).error();
    client.call(&[b"ZUNION".to_vec(), b"18446744073709551615".to_vec(), key(10)]).error();
    client.call(&vec![b"GET".to_vec(); 10_000]).error();
    assert_eq!((witness.seen().accesses, witness.seen().misses), (2, 2));
    assert_eq!(figure(&mut client, "watch_dropped"), 2);

    let mut words = vec!["MGET"];
    words.resize(5001, "content:1");
    client.call(&words).fine();
    wait_until("a thousand were seen", || figure(&mut client, "watch_accesses") == 1002);
    assert_eq!(figure(&mut client, "watch_dropped"), 4002);
}
