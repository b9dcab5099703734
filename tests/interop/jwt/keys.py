"""Prints, as a JSON line each, {"alg", "private": JWK, "public": JWK, "pem": private PKCS#8, "old": PKCS#1 or SEC 1, "spki"}."""
import base64
import json
import secrets

from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ALGORITHMS = get_default_algorithms()


def pem(key, form):
    return key.private_bytes(ser.Encoding.PEM, form, ser.NoEncryption()).decode()


for alg, size in (("HS256", 32), ("HS384", 48), ("HS512", 64)):
    k = base64.urlsafe_b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()
    jwk = {"kty": "oct", "k": k}
    print(json.dumps({"alg": alg, "private": jwk, "public": jwk}))
pair = rsa.generate_private_key(65537, 2048)
pairs = {alg: pair for alg in ("RS256", "RS384", "RS512", "PS256")}
pairs |= {"ES256": ec.generate_private_key(ec.SECP256R1()), "ES384": ec.generate_private_key(ec.SECP384R1())}
pairs |= {"EdDSA": ed25519.Ed25519PrivateKey.generate()}
for alg, key in pairs.items():
    private, public = ALGORITHMS[alg].to_jwk(key, as_dict=True), ALGORITHMS[alg].to_jwk(key.public_key(), as_dict=True)
    private.pop("key_ops", None), public.pop("key_ops", None)
    old = None if alg == "EdDSA" else pem(key, ser.PrivateFormat.TraditionalOpenSSL)
    spki = key.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo).decode()
    out = {"alg": alg, "private": private, "public": public, "pem": pem(key, ser.PrivateFormat.PKCS8), "old": old, "spki": spki}
    print(json.dumps(out))
