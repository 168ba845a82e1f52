"""The pages of judged nights on loopback: files of one folder, and nothing that a link in it points at."""

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipelines.guard import LOOPBACK, Guard


class _Pages(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, guard: Guard, directory: str) -> None:
        self._guard = guard
        super().__init__(*args, directory=directory)

    def send_head(self) -> Any:
        """Answer with a file of the folder, or refuse."""
        hosts = self.headers.get_all("host", [])
        headers = {name.lower(): value for name, value in self.headers.items()}
        reason = self._guard.refusal(self.command, headers) if len(hosts) == 1 else "refused: no name, or two"
        if reason is not None:
            self.send_error(HTTPStatus.FORBIDDEN, reason)
            return None
        path, root = Path(self.translate_path(self.path)), Path(self.directory).resolve()
        if not path.resolve().is_relative_to(root) or path.name.startswith("."):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """Show no listing: the index page of the folder has the links."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Let no page run a script, load anything or stand in a frame."""
        policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Write no line for each request."""


def run_pages(folder: Path, guard: Guard) -> None:
    """Serve a folder on loopback until SIGTERM or Ctrl-C."""
    with ThreadingHTTPServer((LOOPBACK, guard.port), partial(_Pages, guard=guard, directory=f"{folder}")) as server:
        server.serve_forever()
