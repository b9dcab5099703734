"""The certificate that every server shows."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(folder: Path) -> None:
    """Writes the certificate that every server shows: ECDSA on P-256, as issuers give it by default."""
    folder.mkdir()
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "chain.pem")]
    command = ["openssl", "req", "-x509", "-days", "2", *curve, *names, *files]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if ran.returncode != 0:
        raise SystemExit(f"openssl made no certificate: {ran.stderr.strip()}")
