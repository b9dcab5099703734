"""Mints EdgeAuth tokens with the PyPI package akamai-edgeauth: one JSON case per line in, one token per line out."""

import json
import sys

from akamai.edgeauth import EdgeAuth

for line in sys.stdin:
    case = json.loads(line)
    edge_auth = EdgeAuth(
        key=case["key"],
        algorithm=case["algorithm"],
        salt=case["salt"],
        ip=case["ip"],
        payload=case["data"],
        session_id=case["id"],
        start_time=case["starts"],
        end_time=case["expires"],
        escape_early=case["escape"],
    )
    if case["acl"]:
        token = edge_auth.generate_acl_token(case["acl"])
    else:
        token = edge_auth.generate_url_token(case["url"])
    print(json.dumps({"token": token}), flush=True)
