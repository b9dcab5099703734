"""Mints with botocore's CloudFrontSigner: one JSON line a token. argv: the folder of the keys, a wildcard's site."""

import datetime
import json
import sys

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

KEYS, SITE = sys.argv[1:3]
END = datetime.datetime.fromtimestamp(2145916800, datetime.timezone.utc)
START = datetime.datetime.fromtimestamp(1735689600, datetime.timezone.utc)


def signer(kind, digest):
    form = {"rsa": "pkcs8", "ec": "sec1"}[kind]
    with open(f"{KEYS}/cloudfront-test-{kind}.{form}.pem", "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    if kind == "rsa":
        return CloudFrontSigner("KRSA", lambda message: key.sign(message, padding.PKCS1v15(), digest))
    return CloudFrontSigner("KEC", lambda message: key.sign(message, ec.ECDSA(digest)))


def line(name, url, ask=None, **more):
    print(json.dumps({"name": name, "url": url, "ask": ask or url, "viewer": "192.0.2.77", "ok": True} | more))


def cookies(url):
    query = url.split("?", 1)[1]
    return {f"CloudFront-{name}": value for name, value in (pair.split("=", 1) for pair in query.split("&"))}


for kind in ("rsa", "ec"):
    for digest, suffix in ((hashes.SHA1(), ""), (hashes.SHA256(), "&Hash-Algorithm=SHA256")):
        own = signer(kind, digest)
        label = f"{kind} {digest.name}"
        file = f"{SITE}/vod/t1/master.m3u8"
        url = own.generate_presigned_url(file, date_less_than=END) + suffix
        line(f"{label} canned", url)
        line(f"{label} canned, query added", url + "&a=b", ok=False)
        line(f"{label} canned cookies", file, cookies=cookies(url))
        query = own.generate_presigned_url(f"{file}?a=1&b=2", date_less_than=END) + suffix
        line(f"{label} canned with a query", query)
        line(f"{label} canned with another query", query.replace("a=1", "a=2"), ok=False)
        wildcard = own.build_policy(f"{SITE}/vod/*.m4s", END, START, "192.0.2.0/24")
        segment = f"{SITE}/vod/t1/v/seg-1.m4s"
        url = own.generate_presigned_url(segment, policy=wildcard) + suffix
        line(f"{label} wildcard", url)
        line(f"{label} wildcard elsewhere", url.replace("m4s", "mp4"), ok=False)
        line(f"{label} wildcard, address", url, viewer="198.51.100.1", ok=False)
        line(f"{label} wildcard cookies", segment, cookies=cookies(url))
        exact = own.build_policy(f"{file}?size=large&license=yes", END, ip_address="192.0.2.77")
        line(f"{label} custom with a query", own.generate_presigned_url(f"{file}?size=large&license=yes", policy=exact) + suffix)
        everything = own.build_policy("*", END)
        line(f"{label} everything", own.generate_presigned_url(f"{SITE}/x?y=z", policy=everything) + suffix)
