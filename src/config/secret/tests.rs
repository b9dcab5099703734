//! References, and what they resolve to.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

fn none(_: &str) -> Option<String> {
    None
}

fn of_file(path: &Path) -> Reference {
    Reference::parse(&format!("file:{}", path.display())).unwrap()
}

/// What a file of this content resolves to.
fn written(content: &[u8]) -> Result<Vec<u8>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, content).unwrap();
    let secret = of_file(&path).resolve(none)?;
    Ok(secret.reveal().to_vec())
}

#[test]
fn references_are_shown_as_they_are_written() {
    for text in [
        "env:EDGE_KEY",
        "env:_a1",
        "file:/run/secrets/edge key",
        "aws-secretsmanager:edge/key#hmac",
    ] {
        assert_eq!(Reference::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_reference_is_refused_with_its_fix_and_without_being_repeated() {
    for (text, fix) in [
        ("", "write env:NAME, file:/path or"),
        ("hunter2", "write env:NAME, file:/path or"),
        ("hunter2:hunter2", "write env:NAME, file:/path or"),
        ("ENV:hunter2", "write env:NAME, file:/path or"),
        (" env:hunter2", "write env:NAME, file:/path or"),
        ("/hunter2", "write file: before an absolute path"),
        ("./hunter2", "write file: before an absolute path"),
        ("$hunter2", "without a dollar sign"),
        ("${hunter2}", "without a dollar sign"),
        (
            "arn:aws:secretsmanager:hunter2",
            "aws-secretsmanager: before an ARN",
        ),
        ("-----BEGIN PRIVATE KEY-----\nhunter2", "put it into a file"),
        ("env:", "needs the name of an environment variable"),
        ("env:hunter2-x", "needs the name of an environment variable"),
        ("env:1hunter2", "needs the name of an environment variable"),
        ("env:$hunter2", "needs the name of an environment variable"),
        ("file:hunter2", "write file:/path"),
        ("file:", "write file:/path"),
        ("file:///hunter2", "with one slash"),
        ("file:/hunter2/", "ends with a slash"),
        ("file:/hunter2\0", "write env:NAME, file:/path or"),
        ("aws-secretsmanager:hunter2 x", "needs the name of a secret"),
    ] {
        let error = Reference::parse(text).unwrap_err();
        assert!(error.contains(fix), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(Reference::parse(&format!("file:/{}", "a".repeat(LONGEST_REFERENCE))).is_err());
}

#[test]
fn a_variable_is_taken_as_it_is() {
    let reference = Reference::parse("env:EDGE_KEY").unwrap();
    let of = |value: &str| {
        let value = value.to_owned();
        reference.resolve(move |name| (name == "EDGE_KEY").then(|| value.clone()))
    };
    assert_eq!(of("s3cret\n").unwrap().reveal(), b"s3cret\n");
    assert!(matches!(of(""), Err(Error::Empty(_))));
    assert!(matches!(
        of(&"a".repeat(LARGEST + 1)),
        Err(Error::TooLarge(_))
    ));
    assert_eq!(
        reference.resolve(none).unwrap_err().to_string(),
        "the environment variable EDGE_KEY is not set, or is not UTF-8: set it to the secret"
    );
}

#[test]
fn a_file_loses_one_newline_at_its_end_and_nothing_else() {
    for (content, secret) in [
        (&b"s3cret"[..], &b"s3cret"[..]),
        (b"s3cret\n", b"s3cret"),
        (b"s3cret\r\n", b"s3cret"),
        (b"s3cret\n\n", b"s3cret\n"),
        (b"s3cret\r", b"s3cret\r"),
        (b" \xff\0 \n", b" \xff\0 "),
    ] {
        assert_eq!(written(content).unwrap(), secret);
    }
}

#[test]
fn empty_large_and_missing_files_are_refused_by_name() {
    for content in [&b""[..], b"\n", b"\r\n"] {
        assert!(matches!(written(content), Err(Error::Empty(_))));
    }
    let largest = [&[b'a'; LARGEST][..], b"\r\n"].concat();
    assert_eq!(written(&largest).unwrap().len(), LARGEST);
    for larger in [LARGEST + 1, LARGEST + 2, LARGEST + 10] {
        assert!(matches!(
            written(&vec![b'a'; larger]),
            Err(Error::TooLarge(_))
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let error = of_file(folder.path()).resolve(none).unwrap_err();
    assert!(matches!(error, Error::NotAFile(_)), "{error}");
    let missing = folder.path().join("missing");
    let error = of_file(&missing).resolve(none).unwrap_err().to_string();
    assert!(error.starts_with(&format!(
        "the secret at file:{} cannot be read",
        missing.display()
    )));
    let device = of_file(Path::new("/dev/zero"));
    assert!(matches!(device.resolve(none), Err(Error::NotAFile(_))));
}

#[test]
fn what_aws_keeps_is_elsewhere() {
    let reference = Reference::parse("aws-secretsmanager:edge#a").unwrap();
    assert!(matches!(reference.resolve(none), Err(Error::Elsewhere(_))));
    assert_eq!(reference.secrets_manager().unwrap().to_string(), "edge#a");
    assert_eq!(reference.file(), None);
}

#[test]
fn a_fingerprint_changes_with_the_secret_even_behind_a_moved_link() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let versions = ["one", "two"].map(|version| {
        let file = folder.path().join(version);
        fs::write(&file, version).unwrap();
        file
    });
    let reference = of_file(&path);
    let mut prints = Vec::new();
    for target in [&versions[0], &versions[0], &versions[1]] {
        let moved = folder.path().join("moved");
        symlink(target, &moved).unwrap();
        fs::rename(&moved, &path).unwrap();
        prints.push(Fingerprint::of(&reference.resolve(none).unwrap()));
    }
    assert_eq!(prints[0], prints[1]);
    assert_ne!(prints[1], prints[2]);
    assert_eq!(format!("{:?}", prints[0]), "Fingerprint");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_never_repeated(text in "(env:|file:|aws-secretsmanager:)?.{0,60}") {
        match Reference::parse(&text) {
            Ok(reference) => prop_assert_eq!(reference.to_string(), text),
            Err(error) => {
                let rest = text.split_once(':').map_or(&*text, |(_, rest)| rest);
                prop_assert!(rest.len() < 12 || !error.contains(rest));
            }
        }
    }
}
