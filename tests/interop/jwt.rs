//! PyJWT and jose read what is minted here, and the other way round, for every algorithm.

use std::io::Write;
use std::process::{Command, Stdio};

use caudal::access::token::jwt::{Algorithm, Jwt, KeySet, KeySettings, Material, Settings};
use caudal::access::{Format, Found, Refusal, Secret, Token};
use serde_json::{Value, json};

const CLAIMS: &str =
    r#"{"sub":"u1","exp":2145916800,"nbf":1735689600,"path":"/vod/t1/","x":"\u00e9"}"#;

const LATER: i64 = 2_145_916_900;

fn run(program: &str, script: &str, jobs: &Value) -> Vec<Value> {
    let mut child = Command::new(program)
        .arg(crate::folder("jwt").join(script))
        .current_dir(crate::folder("jwt"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(jobs.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn python() -> String {
    crate::python().display().to_string()
}

fn peers() -> [(String, &'static str); 2] {
    [(python(), "py.py"), ("node".to_owned(), "node.mjs")]
}

fn algorithm(key: &Value) -> Algorithm {
    Algorithm::parse(key["alg"].as_str().unwrap()).unwrap()
}

fn jwt(algorithm: Algorithm, material: Material) -> Jwt {
    let key = KeySettings {
        name: "k".to_owned(),
        kid: Some("k".to_owned()),
        algorithm,
        material,
    };
    Jwt::new(Settings {
        keys: vec![key],
        ..Settings::default()
    })
    .unwrap()
}

fn jwk(key: &Value, half: &str) -> Jwt {
    jwt(
        algorithm(key),
        Material::Jwk(Secret::new(key[half].to_string())),
    )
}

fn verify(jwt: &Jwt, token: &str) -> Result<Token, Refusal> {
    jwt.verify(&Found {
        token: token.into(),
        bound: "".into(),
    })
}

fn jobs(keys: &[Value], job: impl Fn(&Value) -> Value) -> Value {
    keys.iter().map(job).collect()
}

#[test]
fn what_others_mint_is_read_here() {
    let keys = run(&python(), "keys.py", &json!([]));
    let covered: Vec<_> = keys.iter().map(algorithm).collect();
    assert_eq!(covered, Algorithm::ALL);
    let claims: Value = serde_json::from_str(CLAIMS).unwrap();
    for (program, script) in peers() {
        let theirs = run(
            &program,
            script,
            &jobs(
                &keys,
                |key| json!({"op": "sign", "alg": key["alg"], "key": key["private"], "kid": "k", "claims": claims}),
            ),
        );
        assert_eq!(theirs.len(), keys.len());
        for (key, answer) in keys.iter().zip(&theirs) {
            let token = answer["token"]
                .as_str()
                .unwrap_or_else(|| panic!("{answer}"));
            let read = verify(&jwk(key, "public"), token).unwrap();
            assert_eq!(
                read.viewer.as_deref(),
                Some("u1"),
                "{script} {}",
                key["alg"]
            );
            assert_eq!(read.expires, Some(2_145_916_800));
            for other in keys.iter().filter(|other| *other != key) {
                assert!(verify(&jwk(other, "public"), token).is_err());
            }
        }
    }
}

#[test]
fn what_is_minted_and_renewed_here_is_read_by_others() {
    let keys = run(&python(), "keys.py", &json!([]));
    let claims: Value = serde_json::from_str(CLAIMS).unwrap();
    let job = |key: &Value, token: String| json!({"op": "verify", "alg": key["alg"], "key": key["public"], "kid": "k", "token": token});
    for (program, script) in peers() {
        let minted = jobs(&keys, |key| {
            job(key, jwk(key, "private").mint("k", CLAIMS).unwrap())
        });
        let minted = run(&program, script, &minted);
        let renewed = run(
            &program,
            script,
            &jobs(&keys, |key| job(key, renewed(&jwk(key, "private")))),
        );
        assert_eq!((minted.len(), renewed.len()), (keys.len(), keys.len()));
        for (key, (minted, renewed)) in keys.iter().zip(minted.iter().zip(&renewed)) {
            assert_eq!(minted["claims"], claims, "{script} {} {minted}", key["alg"]);
            assert_eq!(
                renewed["claims"]["exp"], LATER,
                "{script} {} {renewed}",
                key["alg"]
            );
        }
    }
}

fn renewed(jwt: &Jwt) -> String {
    let token = jwt.mint("k", CLAIMS).unwrap();
    let found = Found {
        token: token.as_str().into(),
        bound: "".into(),
    };
    jwt.renew(&found, &verify(jwt, &token).unwrap(), LATER)
        .unwrap()
}

#[test]
fn every_form_of_a_pem_is_read() {
    let keys = run(&python(), "keys.py", &json!([]));
    for key in keys.iter().filter(|key| key["pem"].is_string()) {
        let pem = |form: &str| {
            let text = key[form].as_str()?;
            Some(jwt(algorithm(key), Material::Pem(Secret::new(text))))
        };
        let public = pem("spki").unwrap();
        assert!(public.mint("k", CLAIMS).is_err());
        for private in ["pem", "old"].into_iter().filter_map(pem) {
            let token = private.mint("k", CLAIMS).unwrap();
            assert!(verify(&public, &token).is_ok(), "{}", key["alg"]);
            assert!(verify(&private, &token).is_ok(), "{}", key["alg"]);
        }
    }
}

#[test]
fn a_published_set_verifies_what_its_keys_signed() {
    let keys = run(&python(), "keys.py", &json!([]));
    let published = keys.iter().map(|key| {
        let mut jwk = key["public"].clone();
        jwk["kid"] = key["alg"].clone();
        jwk["alg"] = key["alg"].clone();
        jwk["use"] = "sig".into();
        jwk
    });
    let document = json!({"keys": published.collect::<Vec<_>>()}).to_string();
    let set = KeySet::from_jwks(document.as_bytes()).unwrap();
    assert_eq!((set.len(), set.skipped()), (7, 3));
    let jwt = Jwt::new(Settings::default()).unwrap();
    jwt.replace_remote_keys(set);
    let claims: Value = serde_json::from_str(CLAIMS).unwrap();
    for (program, script) in peers() {
        let tokens = run(
            &program,
            script,
            &jobs(
                &keys,
                |key| json!({"op": "sign", "alg": key["alg"], "key": key["private"], "kid": key["alg"], "claims": claims}),
            ),
        );
        for (key, answer) in keys.iter().zip(&tokens) {
            let verified = verify(&jwt, answer["token"].as_str().unwrap());
            if key["public"]["kty"] == "oct" {
                assert_eq!(verified.unwrap_err(), Refusal::TokenKey);
            } else {
                assert_eq!(*verified.unwrap().key, *key["alg"].as_str().unwrap());
            }
        }
    }
}
