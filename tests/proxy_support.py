"""A reverse proxy that shows a service below a path, as nginx with `location /films/ { proxy_pass …/; }` does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

NOT_HANDED_ON = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@contextmanager
def proxy(path: str, behind: str) -> Iterator[str]:
    """Show what is at `behind` at the path; gives the address for a browser."""
    client = httpx.Client(base_url=behind, timeout=90, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def hand_on(self) -> None:
            if not self.path.startswith(path + "/"):
                self.send_response(204 if self.path == "/favicon.ico" else 404)  # the host has an icon of its own
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_HANDED_ON}
            with (
                suppress(httpx.TransportError, OSError),
                client.stream(self.command, self.path.removeprefix(path), content=body, headers=headers) as answer,
            ):
                self.send_response(answer.status_code)
                for name, value in answer.headers.multi_items():
                    if name.lower() not in NOT_HANDED_ON:
                        self.send_header(name, value)
                self.end_headers()
                for part in answer.iter_raw():
                    self.wfile.write(part)
                    self.wfile.flush()

    for method in ("GET", "POST", "HEAD"):
        setattr(Handler, f"do_{method}", Handler.hand_on)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{path}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
        client.close()
