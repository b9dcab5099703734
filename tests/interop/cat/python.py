"""Mints and verifies with pycose and with cwt. Reads one JSON object from stdin, prints one line of JSON.

{"do": "mint", "lib": "pycose"|"cwt", "alg": "HS256"|"ES256"|"PS256", "key": HEX|PEM, "kid": TEXT, "payload": HEX} -> {"token": TEXT}
{"do": "verify", "lib": ..., "alg": ..., "key": HEX|PEM, "kid": TEXT, "token": TEXT} -> {"valid": BOOL, "payload": HEX}
"""

import base64
import json
import sys

import cbor2


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(token):
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def pycose_key(ask):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    from pycose.keys import EC2Key, RSAKey, SymmetricKey

    if ask["alg"] == "HS256":
        return SymmetricKey(k=bytes.fromhex(ask["key"]))
    pem = ask["key"].encode()
    private = load_pem_private_key(pem, None) if "PRIVATE" in ask["key"] else None
    public = private.public_key() if private else load_pem_public_key(pem)
    number = lambda n, size=None: n.to_bytes(size or (n.bit_length() + 7) // 8, "big")
    if ask["alg"] == "ES256":
        at = public.public_numbers()
        d = number(private.private_numbers().private_value, 32) if private else b""
        return EC2Key(crv="P_256", x=number(at.x, 32), y=number(at.y, 32), d=d)
    at = public.public_numbers()
    if not private:
        return RSAKey(n=number(at.n), e=number(at.e))
    p = private.private_numbers()
    return RSAKey(
        n=number(at.n), e=number(at.e), d=number(p.d), p=number(p.p), q=number(p.q),
        dp=number(p.dmp1), dq=number(p.dmq1), qinv=number(p.iqmp),
    )


def with_pycose(ask):
    from pycose.algorithms import HMAC256, Es256, Ps256
    from pycose.headers import KID, Algorithm
    from pycose.messages import CoseMessage, Mac0Message, Sign1Message

    key = pycose_key(ask)
    if ask["do"] == "mint":
        alg = {"HS256": HMAC256, "ES256": Es256, "PS256": Ps256}[ask["alg"]]
        kind = Mac0Message if ask["alg"] == "HS256" else Sign1Message
        message = kind(phdr={Algorithm: alg}, uhdr={KID: ask["kid"].encode()}, payload=bytes.fromhex(ask["payload"]))
        message.key = key
        return {"token": unpadded(b"\xd8\x3d" + message.encode())}
    inner = cbor2.loads(decoded(ask["token"])).value
    message = CoseMessage.decode(cbor2.dumps(inner))
    message.key = key
    valid = message.verify_tag() if ask["alg"] == "HS256" else message.verify_signature()
    return {"valid": valid, "payload": message.payload.hex()}


def with_cwt(ask):
    import cwt

    if ask["alg"] == "HS256":
        key = cwt.COSEKey.from_symmetric_key(bytes.fromhex(ask["key"]), alg="HS256", kid=ask["kid"])
    else:
        key = cwt.COSEKey.from_pem(ask["key"], alg=ask["alg"], kid=ask["kid"])
    if ask["do"] == "mint":
        claims = cbor2.loads(bytes.fromhex(ask["payload"]))
        return {"token": unpadded(cwt.encode(claims, key, tagged=True))}
    claims = cwt.decode(decoded(ask["token"]), key)
    return {"valid": True, "payload": cbor2.dumps(claims, canonical=True).hex()}


ask = json.load(sys.stdin)
print(json.dumps({"pycose": with_pycose, "cwt": with_cwt}[ask["lib"]](ask)))
