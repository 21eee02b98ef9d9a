"""A token server for tests: ``python -m tests.token_server SETTINGS`` (see tests.registry).

Signs JSON web tokens (RS256, with the certificate in the header) as docker-registry wants them.
Writes one line of JSON for each request.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SETTINGS: dict[str, Any] = {}


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: dict[str, Any]) -> str:
    pem = Path(SETTINGS["certificate"]).read_text()
    der = "".join(line for line in pem.splitlines() if "CERTIFICATE" not in line)
    header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
    text = ".".join(encode(json.dumps(part).encode()) for part in (header, payload))
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", SETTINGS["key"]],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    return f"{text}.{encode(done.stdout)}"


def granted(scopes: list[str], user: str) -> list[dict[str, Any]]:
    found = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        wanted = actions.split(",")
        if not user:
            wanted = ["pull"] if name.startswith("public/") and "pull" in wanted else []
        if wanted:
            found.append({"type": kind, "name": name, "actions": wanted})
    return found


def token(scopes: list[str], user: str) -> str:
    now = int(time.time())
    return signed(
        {
            "iss": SETTINGS["issuer"],
            "sub": user,
            "aud": SETTINGS["service"],
            "nbf": now - 60,
            "iat": now,
            "exp": now + SETTINGS["lifetime"],
            "jti": str(time.monotonic_ns()),
            "access": granted(scopes, user),
        }
    )


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        user, right = self._login()
        self._answer(query.get("scope", []), user, right, grant="")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        form = parse_qs(self.rfile.read(length).decode())
        grant = form.get("grant_type", [""])[0]
        user, identity = SETTINGS["login"][0], form.get("refresh_token", [""])[0]
        right = grant == "refresh_token" and identity == f"identity-{user}"
        self._answer(" ".join(form.get("scope", [])).split(), user, right, grant)

    def _login(self) -> tuple[str, bool]:
        kind, _, text = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return "", True
        login = base64.b64decode(text).decode().split(":", 1)
        return login[0], login == list(SETTINGS["login"])

    def _answer(self, scopes: list[str], user: str, right: bool, grant: str) -> None:
        status = 200 if right else 401
        said = {"method": self.command, "login": user, "scopes": scopes, "grant": grant}
        print(json.dumps({**said, "status": status}), flush=True)
        body = {"details": "incorrect username or password"}
        if right:
            key = "access_token" if grant else "token"
            body = {key: token(scopes, user), "expires_in": SETTINGS["lifetime"]}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def main() -> None:
    SETTINGS.update(json.loads(sys.argv[1]))
    server = HTTPServer(("127.0.0.1", 0), Handler)
    if SETTINGS["tls"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*SETTINGS["tls"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
