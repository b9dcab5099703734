//! Sockets from systemd, and what it is told.

use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};

use crate::house::House;
use crate::process::client;

#[test]
fn sockets_of_systemd_are_served_on_and_it_is_told_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let notify = folder.path().join("notify.sock");
    let supervisor = UnixDatagram::bind(&notify).unwrap();
    supervisor
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let told = || {
        let mut buf = [0; 512];
        let len = supervisor.recv(&mut buf).expect("a word to the supervisor");
        String::from_utf8(buf[..len].to_vec()).unwrap()
    };
    let mut house = House::opened(|command| {
        command.env("NOTIFY_SOCKET", &notify);
    });
    assert_eq!(told(), "READY=1\n");
    house.signal("HUP");
    let reloading = told();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(told(), "READY=1\n");
    house.signal("USR2");
    let successor = told();
    let pid = successor.strip_prefix("MAINPID=").expect("the new process");
    let pid = pid.strip_suffix("\nREADY=1\n").expect("that it serves");
    house.passed_on_to(pid.parse().unwrap());
    house.signal("TERM");
    assert_eq!(told(), "STOPPING=1\n");
}

#[test]
fn one_socket_is_enough_for_all_workers() {
    // systemd binds one for an address, whatever the number of workers; and it stays when we go.
    let (viewers, operators) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let addr = viewers.local_addr().unwrap();
    let socket = UnixListener::bind(operators.path().join("other.sock")).unwrap();
    for _ in 0..2 {
        let (viewers, socket) = (viewers.try_clone().unwrap(), socket.try_clone().unwrap());
        let mut house = House::opened_at(addr, |command| {
            let mapped = [viewers.into(), socket.into()];
            let mapped = (3..).zip(mapped).map(|(child_fd, parent_fd)| FdMapping {
                parent_fd,
                child_fd,
            });
            command.env("LISTEN_FDS", "2");
            command.fd_mappings(mapped.collect()).unwrap();
        });
        let unused = house.told(
            "a socket that was handed to us is nobody's listener: it is closed",
            1,
        );
        assert!(unused["socket"].as_str().unwrap().contains("other.sock"));
        for _ in 0..20 {
            assert_eq!(client::get(addr, "/3.m4s", &[]).status, 200);
        }
        house.signal("TERM");
        house.ended();
    }
}

#[test]
fn operators_ask_by_a_path_too() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::open();
    let answer = house.ask_socket("/livez");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(house.ask_socket("/status").contains("\"ready\":true"));
    let mode = std::fs::metadata(house.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
}
