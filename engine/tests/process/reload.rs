//! SIGHUP, as a real process takes it: what the operator changed counts for whoever comes from then on.

use std::fs;

use serde_json::json;

use crate::{
    desk::{Client, Desk},
    tls::{hang_up, wait_until},
};

/// What a new visitor is told of the server's heartbeat.
fn heartbeat_ms(desk: &Desk) -> u64 {
    let mut client = Client::connect(desk.address);
    client.send(&json!({"type": "hello", "role": "visitor"}));
    client.wait_for("welcome")["server"]["heartbeat_ms"].as_u64().expect("a number")
}

#[test]
fn on_sighup_what_can_change_does_and_what_cannot_is_named() {
    for backend in ["modern", "epoll"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("desk.toml");
        let write = |text: &str| fs::write(&path, text).expect("written");
        write("heartbeat-ms = 20000\naddress-connections-max = 2\nunlimited-addresses = \"none\"");
        let mut desk = Desk::on(&folder.path().join("data"), backend, 3);
        desk.set("RINGDESK_CONFIG", path.to_str().expect("a path in text"));
        desk.start_again();
        let mut old = Client::connect(desk.address);
        old.send(&json!({"type": "hello", "role": "visitor"}));
        assert_eq!(old.wait_for("welcome")["server"]["heartbeat_ms"], 20_000);

        write("heartbeat-ms = 21000\nheartbeat-s = 5");
        hang_up(&desk);
        wait_until(|| desk.log().contains("unknown key heartbeat-s"));
        assert_eq!(heartbeat_ms(&desk), 20_000, "nothing was changed");

        write("heartbeat-ms = 21000\nunlimited-addresses = \"127.0.0.0/8\"\ndrain-ms = 1000");
        hang_up(&desk);
        let named = "changed=\"heartbeat-ms, address-connections-max, unlimited-addresses\"";
        wait_until(|| desk.log().contains(named));
        wait_until(|| desk.log().contains("settings=\"drain-ms\""));
        // Each shard hears of it in a turn of its own.
        wait_until(|| heartbeat_ms(&desk) == 21_000);
        // Beyond what the address was held to before, beside the old one, which goes on.
        let clients: Vec<_> = (0..6).map(|_| Client::connect(desk.address)).collect();
        old.say("m1", "still here");
        assert_eq!(old.wait_for("ack")["id"], "m1");
        drop(clients);
        assert_eq!(desk.stop(), Some(0));
    }
}
