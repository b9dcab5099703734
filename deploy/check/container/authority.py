"""A key set behind TLS, by an authority that the image does not know: what an image without a shell is easily missing is
the list of trusted certificates, and how names are looked up."""

import http.server
import json
import ssl
import subprocess
import threading
import time

CONFIG = """
[server]
listen = ["127.0.0.1:0"]

[admin]
listen = "127.0.0.1:0"

[storage.media]
kind = "memory"

[token.viewers]
format = "jwt"
keys = []
jwks = "https://localhost:{port}/jwks.json"

[access.viewers]
require = ["token"]
tokens = ["viewers"]

[[route]]
path = "/"
storage = "media"
access = "viewers"
"""


def trusted(root, folder, server):
    key, certificate = folder / "key.pem", folder / "cert.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"]
    subprocess.run([*request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    asked = []
    keys = serve(key, certificate, asked)
    config = folder / "tls" / "etc"
    config.mkdir(parents=True)
    (config / "caudal.toml").write_text(CONFIG.format(port=keys.server_address[1]))
    bundle = folder / "bundle.pem"
    bundle.write_text((root / "etc/ssl/certs/ca-certificates.crt").read_text() + certificate.read_text())
    bundle.chmod(0o644)
    try:
        fetch(root, config, server, "-", asked)
        assert not asked, "an authority that nobody trusts was believed"
        fetch(root, config, server, bundle, asked)
        assert asked == ["/jwks.json"], "one that stands among the root's certificates was not"
    finally:
        keys.shutdown()


def fetch(root, config, server, bundle, asked):
    """Starts a server and waits until it has said what became of the keys."""
    running = server(root, config, bundle)
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end and not asked and "keys cannot be fetched" not in running.text():
            time.sleep(0.1)
    finally:
        running.stop()


def serve(key, certificate, asked):
    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps({"keys": []}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = http.server.ThreadingHTTPServer(("localhost", 0), Keys)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    return listener
