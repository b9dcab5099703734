"""stdin: a JSON list of {"op": "sign"|"verify", "alg", "key", "kid", "claims"|"token"}; stdout: a JSON line for each."""
import json
import sys

import jwt

for job in json.load(sys.stdin):
    key = jwt.PyJWK.from_dict(job["key"] | {"alg": job["alg"]})
    try:
        if job["op"] == "sign":
            out = {"token": jwt.encode(job["claims"], key.key, job["alg"], {"kid": job["kid"]})}
        else:
            out = {"claims": jwt.decode(job["token"], key.key, [job["alg"]])}
    except Exception as error:
        out = {"error": repr(error)}
    print(json.dumps(out))
