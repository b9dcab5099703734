//! A real nginx and we agree on which secure links are good.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use caudal::access::token::secure_link::{Link, SecureLink, Settings};
use caudal::access::{Asking, Carrier, Format, Place, Secret, Source, unescaped};
use http::HeaderMap;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const PLAIN: &str = "$secure_link_expires$uri$remote_addr {secret}";
const WIDE: &str = "{secret}|$host|$uri|$arg_q|$secure_link_expires";
const SECRET: &str = "s3cret";
const NOW: i64 = 1_800_000_000;
const LATER: i64 = 2_145_916_800;
const ME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TIMEOUT: Duration = Duration::from_secs(5);

const IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?');

/// Ends its nginx when it is dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Nginx {
    /// One process on a free port of the loopback, serving the expression's links under every path.
    fn start(name: &str, expression: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("secure-link-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let address = TcpListener::bind((ME, 0)).unwrap().local_addr().unwrap();
        let expression = expression.replace("{secret}", SECRET);
        let config = format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;
             events {{ worker_connections 32; }}
             http {{
               access_log off; client_body_temp_path {0}/1; proxy_temp_path {0}/2;
               fastcgi_temp_path {0}/3; uwsgi_temp_path {0}/4; scgi_temp_path {0}/5;
               server {{ listen {address}; location / {{
                 secure_link $arg_md5,$arg_expires; secure_link_md5 \"{expression}\";
                 if ($secure_link = \"\") {{ return 403; }}
                 if ($secure_link = \"0\") {{ return 410; }}
                 return 200; }} }} }}",
            folder.display()
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let child = Command::new("/usr/sbin/nginx")
            .args([
                "-p".as_ref(),
                folder.as_os_str(),
                "-c".as_ref(),
                file.as_os_str(),
            ])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self {
            child,
            address,
            folder,
        };
        for _ in 0..100 {
            if TcpStream::connect_timeout(&address, TIMEOUT).is_ok() {
                return nginx;
            }
            sleep(Duration::from_millis(50));
        }
        panic!(
            "nginx does not answer: {:?}",
            fs::read_to_string(nginx.folder.join("error.log"))
        );
    }

    fn status(&self, host: &str, target: &str) -> u16 {
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn format(expression: &str) -> SecureLink {
    let secrets = vec![("s1".into(), Secret::new(SECRET))];
    SecureLink::new(&Settings::new(expression, secrets)).unwrap()
}

fn link(path: &str, expires: i64) -> Link<'_> {
    Link {
        path,
        expires: Some(expires),
        address: Some(ME),
        ..Link::default()
    }
}

/// The status that we would answer with, in nginx's numbers.
fn our_status(format: &SecureLink, host: &str, target: &str) -> u16 {
    let (raw_path, query) = target.split_once('?').unwrap_or((target, ""));
    let asking = Asking {
        method: "GET",
        scheme: "http",
        host,
        raw_path,
        path: &unescaped(raw_path).unwrap(),
        query,
        headers: &HeaderMap::new(),
        prefix: None,
        viewer: ME,
        place: &Place::default(),
        alpn: None,
        device: None,
        identities: &[],
        now: NOW,
    };
    let source = Source {
        carrier: Carrier::Query,
        asking: &asking,
    };
    let Ok(Some(found)) = format.find(&source) else {
        return 403;
    };
    match format.verify(&found) {
        Ok(token) if token.expires.is_some_and(|expires| expires <= NOW) => 410,
        Ok(token) => token.terms.permit(&asking).map_or(403, |()| 200),
        Err(_) => 403,
    }
}

#[test]
fn nginx_serves_what_we_mint_and_refuses_what_we_refuse() {
    let nginx = Nginx::start("plain", PLAIN);
    let format = format(PLAIN);
    let paths = [
        "/vod/t1/master.m3u8",
        "/a b/~'*!+&;=.mp4",
        "/året/映画.m4s",
        "/100%25?#",
        "/",
    ];
    for path in paths {
        let raw = utf8_percent_encode(path, IN_PATHS).to_string();
        let good = format.mint(&link(path, LATER)).unwrap();
        let over = format.mint(&link(path, 1_000_000_000)).unwrap();
        let hash = &good["md5=".len()..][..22];
        let flipped = if hash.starts_with('A') { "B" } else { "A" };
        let table = [
            (format!("{raw}?{good}"), 200),
            (format!("{raw}?x=1&{good}&y=2"), 200),
            (format!("{raw}?{}", good.replace('&', "==&")), 200),
            (format!("{raw}?{over}"), 410),
            (format!("{raw}x?{good}"), 403),
            (
                format!("{raw}?{}", good.replace("=2145916800", "=2145916801")),
                403,
            ),
            (format!("{raw}?{}", good.replace("=2145916800", "=0")), 403),
            (format!("{raw}?{}", good.replace("=2145916800", "=x")), 403),
            (format!("{raw}?{}", good.replace("=2145916800", "=")), 403),
            (format!("{raw}?md5={hash}"), 403),
            (
                format!("{raw}?md5={flipped}{}&expires={LATER}", &hash[1..]),
                403,
            ),
            (format!("{raw}?md5={}&expires={LATER}", &hash[1..]), 403),
            (format!("{raw}?md5={hash}AAA&expires={LATER}"), 403),
            (format!("{raw}?md5=&expires={LATER}"), 403),
            (raw.clone(), 403),
        ];
        for (target, status) in table {
            assert_eq!(nginx.status("h", &target), status, "nginx: {target}");
            assert_eq!(our_status(&format, "h", &target), status, "ours: {target}");
        }
    }
}

#[test]
fn nginx_and_we_read_hosts_and_parameters_alike() {
    let nginx = Nginx::start("wide", WIDE);
    let format = format(WIDE);
    let signed = Link {
        host: Some("cdn.example.com"),
        args: &[("q", "a%20b")],
        ..link("/v", LATER)
    };
    let good = format.mint(&signed).unwrap();
    let signed = Link {
        args: &[("q", "")],
        ..signed
    };
    let bare = format.mint(&signed).unwrap();
    let table = [
        ("cdn.example.com", format!("/v?q=a%20b&{good}"), 200),
        ("CDN.Example.com:8080", format!("/v?{good}&Q=a%20b"), 200),
        ("cdn.example.com.", format!("/v?q=a%20b&{good}"), 200),
        ("cdn.example.com.:81", format!("/v?q=a%20b&{good}"), 200),
        ("cdn.example.org", format!("/v?q=a%20b&{good}"), 403),
        ("cdn.example.com", format!("/v?q=a+b&{good}"), 403),
        (
            "cdn.example.com",
            format!("/v?q=a b&{good}").replace(' ', "%2520"),
            403,
        ),
        ("cdn.example.com", format!("/v?{good}"), 403),
        ("cdn.example.com", format!("/v?{bare}"), 200),
        ("cdn.example.com", format!("/v?q&{bare}"), 200),
        ("cdn.example.com", format!("/v?q=&{bare}"), 200),
        ("cdn.example.com", format!("/v?qq=1&{bare}"), 200),
        ("cdn.example.com", format!("/v?q=1&{bare}"), 403),
    ];
    for (host, target, status) in table {
        assert_eq!(
            nginx.status(host, &target),
            status,
            "nginx: {host} {target}"
        );
        assert_eq!(
            our_status(&format, host, &target),
            status,
            "ours: {host} {target}"
        );
    }
}

#[test]
fn links_made_as_nginx_documents_it_are_good() {
    let text = format!("{LATER}/s/link{ME} {SECRET}");
    let shell = "openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d =";
    let mut child = Command::new("sh")
        .args(["-c", shell])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    let query = format!("md5={}&expires={LATER}", hash.trim());
    assert_eq!(
        our_status(&format(PLAIN), "h", &format!("/s/link?{query}")),
        200
    );
    assert_eq!(format(PLAIN).mint(&link("/s/link", LATER)).unwrap(), query);
    let other = Settings::new(PLAIN, vec![("s1".into(), Secret::new("other"))]);
    let other = SecureLink::new(&other).unwrap();
    assert_eq!(our_status(&other, "h", &format!("/s/link?{query}")), 403);
}
