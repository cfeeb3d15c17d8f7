"""Servers on the loopback for tests: they serve a folder, and fail as they are told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Served:
    """A folder that is served; what is set here is what the server does from then on."""

    folder: Path
    port: int = 0
    status: int = 0  # what is answered to everything whose path contains `only`
    only: str = ""
    cut: bool = False  # answers stop half way
    ranges: bool = True
    asked: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


class _Handler(SimpleHTTPRequestHandler):
    """Serves ranges, which the standard library does not."""

    def __init__(self, *args: Any, served: Served, **more: Any) -> None:
        self.served = served
        super().__init__(*args, directory=str(served.folder), **more)

    def do_GET(self) -> None:
        self.served.asked.append(self.path)
        if self.served.status and self.served.only in self.path:
            return self.send_error(self.served.status)
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        data = path.read_bytes()
        (code, part) = self._part(data)
        self.send_response(code)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        stop = self.served.cut and self.served.only in self.path
        self.wfile.write(part[: len(part) // 2] if stop else part)
        if stop:
            self.close_connection = True
        return None

    def _part(self, data: bytes) -> tuple[int, bytes]:
        wanted = self.headers.get("Range")
        if not wanted or not self.served.ranges:
            return 200, data
        start, end = wanted.removeprefix("bytes=").split("-")
        if not start:
            return 206, data[-int(end) :]
        return 206, data[int(start) : int(end) + 1 if end else None]

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections beyond it would be tried again after a second


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """Serve a folder while the context lasts."""
    served = Served(folder)
    server = _Server(("127.0.0.1", 0), partial(_Handler, served=served))
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
