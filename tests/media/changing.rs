//! Files that change while they are read. What a viewer gets is the beginning of one version, or all of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::Caudal;
use crate::process::client::Answer;
use crate::title::folder;

const MIB: usize = 1 << 20;

/// More than the server reads ahead and the sockets hold: most of it is still on disk when a slow reader has begun.
const LEN: usize = 64 * MIB;

/// Longer than the clock of any file system takes for a tick: what is written after it has another time.
const TICK: Duration = Duration::from_millis(50);

const NAME: &str = "film.mp4";

/// A served file, and a reader that has taken the first of it.
struct Film {
    folder: TempDir,
    caudal: Caudal,
    old: Vec<u8>,
    answer: Answer,
    body: Vec<u8>,
}

#[test]
fn a_file_renamed_over_while_it_is_read_is_never_mixed_with_the_new() {
    let mut film = Film::begun();
    let new = version(2, LEN + 17);
    let beside = film.folder.path().join("film.mp4.new");
    std::fs::write(&beside, &new).unwrap();
    std::fs::rename(&beside, film.path()).unwrap();
    film.read_to_its_end();
    film.is_served(&new);
}

#[test]
fn a_file_written_in_place_while_it_is_read_ends_the_read() {
    let mut film = Film::begun();
    let new = version(2, LEN);
    film.open().write_all_at(&new, 0).unwrap();
    film.read_to_its_end();
    assert!(film.was_cut());
    film.is_served(&new);
}

#[test]
fn a_file_cut_short_while_it_is_read_ends_the_read() {
    let mut film = Film::begun();
    film.open().set_len(40 * MIB as u64).unwrap();
    film.read_to_its_end();
    assert!(film.was_cut());
    let new = film.old[..40 * MIB].to_vec();
    film.is_served(&new);
}

#[test]
fn one_byte_written_far_ahead_of_a_reader_ends_the_read() {
    let mut film = Film::begun();
    film.open().write_all_at(b"!", LEN as u64 - 1).unwrap();
    film.read_to_its_end();
    assert!(film.was_cut());
    let mut new = std::mem::take(&mut film.old);
    new[LEN - 1] = b'!';
    film.is_served(&new);
}

#[test]
fn readers_at_full_speed_never_see_a_file_that_is_written_under_them() {
    for round in 0..3 {
        let mut film = Film::begun();
        let new = version(round + 2, LEN);
        let file = film.open();
        std::thread::scope(|scope| {
            // From the end, where no reader is yet, towards them.
            scope.spawn(|| {
                for at in (0..LEN).step_by(MIB).rev() {
                    file.write_all_at(&new[at..at + MIB], at as u64).unwrap();
                }
            });
            film.read_to_its_end();
        });
        if film.was_cut() {
            film.is_served(&new);
        }
    }
}

impl Film {
    fn begun() -> Self {
        let folder = folder();
        let old = version(1, LEN);
        std::fs::write(folder.path().join(NAME), &old).unwrap();
        std::thread::sleep(TICK);
        let caudal = Caudal::serve(folder.path());
        let mut answer = caudal.get("/film.mp4", &[]);
        assert_eq!(answer.status, 200);
        let mut body = Vec::new();
        for _ in 0..16 {
            body.extend(answer.take(MIB as u64 / 4));
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(body.len(), 4 * MIB);
        Self {
            folder,
            caudal,
            old,
            answer,
            body,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    fn open(&self) -> File {
        File::options().write(true).open(self.path()).unwrap()
    }

    /// Reads what comes: of the old file from its beginning, and if not all of it, the log says whose fault that is.
    fn read_to_its_end(&mut self) {
        self.body.extend(self.answer.take(u64::MAX));
        assert!(
            self.old.starts_with(&self.body),
            "the body is of two versions"
        );
        let line = self.caudal.logged(|line| line["path"] == "/film.mp4");
        if self.was_cut() {
            assert_eq!(line["cut_by"], "storage", "{line}");
        } else {
            assert_eq!(self.body.len(), LEN);
            assert_eq!(line["cut_by"], serde_json::Value::Null, "{line}");
        }
    }

    fn was_cut(&self) -> bool {
        self.answer.left() > 0
    }

    /// From now on everybody gets `new`.
    fn is_served(&self, new: &[u8]) {
        let answer = self.caudal.get("/film.mp4", &[]);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-length"), new.len().to_string());
        assert!(answer.body() == new, "the new file is not served");
    }
}

/// Bytes that tell version and place: no piece of one version is found in another.
fn version(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, word) in bytes.chunks_mut(8).enumerate() {
        let sum = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8;
        word.copy_from_slice(&(sum << 8 | number).to_le_bytes()[..word.len()]);
    }
    bytes
}
