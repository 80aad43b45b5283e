"""moto's S3 server on loopback, with what a test needs around it: real checksums, atomic conditional puts,
and a hand on any PUT.

Run as `python s3_server.py CONTROL_DIR`: writes CONTROL_DIR/port once it listens. Before each PUT it looks at
CONTROL_DIR: `forget-if-none-match` makes it a store that ignores the header, `no-checksums` one that keeps
any SHA-256 it is told, `corrupt` (text) changes a byte of the next PUT whose path ends in that text, and
`hold` (JSON: key, when) holds the next PUT whose path ends in key, before or after it takes effect, and says
so in CONTROL_DIR/held. `puts` gets one line a PUT: method path status.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import threading
import time
from pathlib import Path

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Control:
    def __init__(self, app, folder: Path) -> None:
        self.app, self.folder = app, folder
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] not in ("PUT", "POST"):
            return self.app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if (self.folder / "forget-if-none-match").exists():
            environ.pop("HTTP_IF_NONE_MATCH", None)
        stated = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
        if (
            stated
            and not (self.folder / "no-checksums").exists()
            and base64.b64encode(hashlib.sha256(body).digest()).decode() != stated
        ):
            answer = (
                b"<Error><Code>BadDigest</Code><Message>The SHA256 you specified did not "
                b"match</Message></Error>"
            )
            start_response(
                "400 Bad Request", [("Content-Type", "application/xml"), ("Content-Length", str(len(answer)))]
            )
            return [answer]
        path = environ["PATH_INFO"]
        with self.lock:
            hold = self._hold(path)
            if self._ordered("corrupt", path):
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
                environ["wsgi.input"] = io.BytesIO(body)
        if hold == "before":
            self._wait()
        status = []

        def told(code, headers, *rest):
            status.append(code)
            return start_response(code, headers, *rest)

        with self.lock:  # S3 decides a conditional put atomically; moto's look and write are two steps
            answer = list(self.app(environ, told))
            with (self.folder / "puts").open("a") as log:
                log.write(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {status[0][:3]}\n")
        if hold == "after":
            self._wait()
        return answer

    def _hold(self, path):
        file = self.folder / "hold"
        if not file.exists():
            return None
        wanted = json.loads(file.read_text())
        if not path.endswith(wanted["key"]):
            return None
        file.unlink()
        return wanted["when"]

    def _ordered(self, name, path):
        file = self.folder / name
        if not file.exists() or not path.endswith(file.read_text()):
            return False
        file.unlink()
        return True

    def _wait(self):
        (self.folder / "held").write_text("")
        while not (self.folder / "release").exists():
            time.sleep(0.005)


class Quiet(WSGIRequestHandler):
    # answers "Expect: 100-continue" at once; a client of HTTP/1.0 waits a second for every object
    protocol_version = "HTTP/1.1"

    def log(self, *arguments) -> None:
        pass


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    app = Control(DomainDispatcherApplication(create_backend_app), folder)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    (folder / "port.tmp").write_text(str(server.server_port))
    (folder / "port.tmp").rename(folder / "port")
    server.serve_forever()
