"""Judges tokens by the documentation alone, without caudal: JSON lines in, JSON lines out. argv: the keys' folder."""

import base64
import json
import sys

from botocore.signers import CloudFrontSigner
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

KEYS = sys.argv[1]


def load(name, private):
    with open(f"{KEYS}/cloudfront-test-{name}.pem", "rb") as file:
        text = file.read()
    return serialization.load_pem_private_key(text, None) if private else serialization.load_pem_public_key(text)


PUBLIC = {"KRSA": load("rsa.pub", False), "KEC": load("ec.pub", False)}
RSA = load("rsa.pkcs8", True)


def decode(text):
    return base64.b64decode(text.translate(str.maketrans("-_~", "+=/")), validate=True)


def judge(case):
    if "cookies" in case:
        parts = {name.removeprefix("CloudFront-"): value for name, value in case["cookies"]}
    else:
        assert case["signed"].startswith(case["url"])
        parts = dict(pair.split("=", 1) for pair in case["signed"][len(case["url"]) + 1 :].split("&"))
    if "Policy" in parts:
        policy = decode(parts["Policy"])
        statement = json.loads(policy)["Statement"]
        assert len(statement) == 1 and statement[0]["Resource"] == case["resource"], policy
        assert statement[0]["Condition"]["DateLessThan"]["AWS:EpochTime"] == case["expires"]
    else:
        url, expires = case["url"], parts["Expires"]
        policy = (
            '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%s}}}]}' % (url, expires)
        ).encode()
    digest = {None: hashes.SHA1(), "SHA256": hashes.SHA256()}[parts.get("Hash-Algorithm")]
    signature, key = decode(parts["Signature"]), PUBLIC[parts["Key-Pair-Id"]]
    if parts["Key-Pair-Id"] == "KEC":
        key.verify(signature, policy, ec.ECDSA(digest))
        return {}
    key.verify(signature, policy, padding.PKCS1v15(), digest)
    # RSA signatures are the same each time: so is the whole URL.
    signer = CloudFrontSigner("KRSA", lambda message: RSA.sign(message, padding.PKCS1v15(), digest))
    theirs = signer.generate_presigned_url(case["url"], policy=policy.decode())
    return {"policy_url": theirs + "&Hash-Algorithm=SHA256"}


for line in sys.stdin:
    case = json.loads(line)
    try:
        print(json.dumps({"name": case["name"], "ok": True} | judge(case)))
    except (InvalidSignature, AssertionError, KeyError, ValueError) as err:
        print(json.dumps({"name": case["name"], "ok": False, "why": repr(err)}))
