use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, prop_oneof, proptest};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{Directory, beneath, refuse};
use crate::media::AssetPath;
use crate::storage::conformance::{self, Fixture};
use crate::storage::{Error, Object, Read, Storage};

struct Folder {
    _temp: TempDir,
    root: std::path::PathBuf,
    directory: Directory,
}

impl Folder {
    /// A folder `root` beside a file `secret` that must stay out of reach.
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(temp.path().join("secret"), "secret").unwrap();
        let directory = Directory::open(&root).unwrap();
        Self {
            _temp: temp,
            root,
            directory,
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let beside = self.root.join(".beside");
        fs::write(&beside, bytes).unwrap();
        fs::rename(beside, path).unwrap();
    }

    async fn get(&self, path: &str) -> Result<Object, Error> {
        let asset = AssetPath::from_decoded(path).unwrap();
        // A fifo that is waited for must fail the test, not hang it.
        let get = self.directory.get(&asset, Read::default());
        tokio::time::timeout(Duration::from_secs(5), get)
            .await
            .expect("opening does not hang")
    }

    async fn refusal(&self, path: &str) -> Error {
        let error = self.get(path).await.expect_err(path);
        let asset = AssetPath::from_decoded(path).unwrap();
        assert_eq!(
            self.directory.head(&asset).await.as_ref(),
            Err(&error),
            "{path}"
        );
        error
    }
}

impl Fixture for Folder {
    fn storage(&self) -> &dyn Storage {
        &self.directory
    }
    fn put<'a>(&'a self, asset: &'a AssetPath, bytes: Bytes) -> BoxFuture<'a, ()> {
        self.write(asset.as_str(), &bytes);
        Box::pin(async {})
    }
    fn remove<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, ()> {
        fs::remove_file(self.root.join(asset.as_str())).unwrap();
        Box::pin(async {})
    }
}

async fn collect(mut object: Object) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = object.body.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

#[tokio::test]
async fn a_folder_conforms() {
    conformance::run(&Folder::new()).await;
}

#[tokio::test]
async fn a_missing_folder_and_a_file_are_misconfigured() {
    let folder = Folder::new();
    for path in [
        folder.root.join("absent"),
        folder.root.with_file_name("secret"),
    ] {
        let error = Directory::open(&path).unwrap_err();
        assert!(matches!(&error, Error::Misconfigured(_)), "{error:?}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_folder_that_vanishes_is_misconfigured_and_not_a_404() {
    let folder = Folder::new();
    fs::remove_dir(&folder.root).unwrap();
    assert!(matches!(folder.refusal("a").await, Error::Misconfigured(_)));
    assert!(matches!(
        folder.directory.probe().await,
        Err(Error::Misconfigured(_))
    ));
    fs::create_dir(&folder.root).unwrap();
    assert_eq!(folder.directory.probe().await, Ok(()));
}

#[tokio::test]
async fn symlinks_may_not_leave_the_folder() {
    let folder = Folder::new();
    folder.write("sub/inside", b"inside");
    symlink("../secret", folder.root.join("up")).unwrap();
    symlink("../../secret", folder.root.join("sub/up")).unwrap();
    symlink("/etc/passwd", folder.root.join("absolute")).unwrap();
    symlink("..", folder.root.join("parent")).unwrap();
    symlink("/", folder.root.join("slash")).unwrap();
    symlink("../root/sub/inside", folder.root.join("out-and-in")).unwrap();
    symlink("circle", folder.root.join("circle")).unwrap();
    symlink("nowhere", folder.root.join("dangling")).unwrap();
    for path in [
        "up",
        "sub/up",
        "absolute",
        "parent/secret",
        "slash/etc/passwd",
        "circle",
        "dangling",
    ] {
        assert_eq!(folder.refusal(path).await, Error::NotFound, "{path}");
    }
}

#[tokio::test]
async fn symlinks_that_stay_inside_are_followed() {
    let folder = Folder::new();
    folder.write("v2/title/seg.m4s", b"inside");
    symlink("v2", folder.root.join("current")).unwrap();
    symlink("../v2/title", folder.root.join("v2/again")).unwrap();
    for path in ["current/title/seg.m4s", "v2/again/seg.m4s"] {
        assert_eq!(
            collect(folder.get(path).await.unwrap()).await.unwrap(),
            b"inside",
            "{path}"
        );
    }
}

#[test]
fn the_fallback_refuses_the_same_escapes() {
    let folder = Folder::new();
    folder.write("v2/seg.m4s", b"inside");
    symlink("../secret", folder.root.join("up")).unwrap();
    symlink("/", folder.root.join("slash")).unwrap();
    symlink("v2", folder.root.join("current")).unwrap();
    for path in ["up", "slash/etc/passwd", "absent"] {
        assert!(
            beneath::open_by_comparing(&folder.root, path).is_err(),
            "{path}"
        );
    }
    assert!(beneath::open_by_comparing(&folder.root, "current/seg.m4s").is_ok());
}

#[tokio::test]
async fn only_regular_files_are_objects() {
    let folder = Folder::new();
    fs::create_dir(folder.root.join("folder")).unwrap();
    let _socket = UnixListener::bind(folder.root.join("socket")).unwrap();
    let fifo = std::process::Command::new("mkfifo")
        .arg(folder.root.join("fifo"))
        .status();
    assert!(fifo.unwrap().success());
    for path in ["folder", "socket", "fifo", "fifo/below"] {
        assert_eq!(folder.refusal(path).await, Error::NotFound, "{path}");
    }
}

#[tokio::test]
async fn names_longer_than_a_file_can_have_are_absent() {
    let folder = Folder::new();
    assert_eq!(folder.refusal(&"x".repeat(300)).await, Error::NotFound);
}

#[tokio::test]
async fn an_unreadable_file_is_denied() {
    let folder = Folder::new();
    folder.write("private", b"x");
    let path = folder.root.join("private");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    // Root reads everything; then there is nothing to deny.
    if fs::read(&path).is_err() {
        assert!(matches!(folder.refusal("private").await, Error::Denied(_)));
    }
}

#[test]
fn failures_to_open_are_told_apart() {
    for (errno, want) in [
        (Errno::NOENT, "not_found"),
        (Errno::XDEV, "not_found"),
        (Errno::LOOP, "not_found"),
        (Errno::ACCESS, "denied"),
        (Errno::IO, "unavailable"),
        (Errno::MFILE, "unavailable"),
        (Errno::AGAIN, "unavailable"),
        (Errno::INVAL, "unavailable"),
    ] {
        assert_eq!(refuse(&errno.into()).reason(), want, "{errno:?}");
    }
}

/// Changes the file at a path.
type Change = fn(&Path);

const LARGE: usize = 4 * 1024 * 1024;

#[tokio::test]
async fn a_file_renamed_over_is_read_to_its_own_end() {
    let folder = Folder::new();
    folder.write("seg", &vec![b'a'; LARGE]);
    let object = folder.get("seg").await.unwrap();
    folder.write("seg", &vec![b'b'; LARGE]);
    assert!(collect(object).await.unwrap() == vec![b'a'; LARGE]);
}

#[tokio::test]
async fn a_file_changed_in_place_ends_the_read() {
    let in_place: [(&str, Change); 3] = [
        ("grown", |path| {
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            std::io::Write::write_all(&mut file, b"more").unwrap();
        }),
        ("shrunk", |path| {
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(1_000_000)
                .unwrap();
        }),
        ("rewritten", |path| {
            fs::write(path, vec![b'b'; LARGE]).unwrap();
            let later = SystemTime::now() + Duration::from_secs(1);
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(later)
                .unwrap();
        }),
    ];
    for (what, change) in in_place {
        let folder = Folder::new();
        folder.write("seg", &vec![b'a'; LARGE]);
        let mut object = folder.get("seg").await.unwrap();
        let first = object.body.next().await.unwrap().unwrap();
        change(&folder.root.join("seg"));
        let second = object.body.next().await.unwrap();
        assert!(first.iter().all(|b| *b == b'a'), "{what}");
        assert_eq!(second, Err(Error::Changed), "{what}");
        assert!(
            object.body.next().await.is_none(),
            "{what}: an error is the last item"
        );
    }
}

#[tokio::test]
async fn the_entity_tag_is_strong_and_follows_the_version() {
    let folder = Folder::new();
    folder.write("seg", b"one");
    let one = folder.get("seg").await.unwrap().meta;
    assert_eq!(folder.get("seg").await.unwrap().meta, one);
    assert!(one.validator.etag.starts_with('"') && one.validator.etag.ends_with('"'));
    assert!(one.last_modified.is_some());

    // Same length, same times: the inode tells them apart.
    let beside = folder.root.join("beside");
    fs::write(&beside, b"two").unwrap();
    let file = fs::OpenOptions::new().write(true).open(&beside).unwrap();
    file.set_modified(one.last_modified.unwrap()).unwrap();
    fs::rename(&beside, folder.root.join("seg")).unwrap();
    let two = folder.get("seg").await.unwrap().meta;
    assert_eq!(two.last_modified, one.last_modified);
    assert_ne!(two.validator.etag, one.validator.etag);
}

/// Segments that try to leave, among some that exist.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "..", ".", "", "up", "sub", "slash", "parent", "root", "secret", "etc", "passwd",
            "proc", "self", "%2e%2e", "..%2f", "....", ". .", "\\..\\", "\0",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_paths_never_escape(segments in prop::collection::vec(segment(), 1..6)) {
        thread_local! {
            static FOLDER: Folder = {
                let folder = Folder::new();
                folder.write("sub/root", b"inside");
                symlink("../secret", folder.root.join("up")).unwrap();
                symlink("..", folder.root.join("parent")).unwrap();
                symlink("../..", folder.root.join("sub/parent")).unwrap();
                symlink("/", folder.root.join("slash")).unwrap();
                folder
            };
        }
        let path = segments.join("/");
        FOLDER.with(|folder| {
            // The path's own proof is the first wall, and each way to open has to stand without it.
            let root = beneath::open_root(&folder.root).unwrap();
            let opened = [
                beneath::open(&root, &folder.root, &path),
                beneath::open_by_comparing(&folder.root, &path),
            ];
            for mut file in opened.into_iter().flatten() {
                let mut bytes = String::new();
                if file.metadata().unwrap().is_file() {
                    std::io::Read::read_to_string(&mut file, &mut bytes).unwrap();
                    prop_assert!(bytes == "inside", "{path:?} reads {bytes:?}");
                }
            }
            Ok(())
        })?;
    }
}
