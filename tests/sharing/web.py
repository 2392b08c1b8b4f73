"""A real HTTP server in a thread, with the manners that servers have: good ones and bad ones."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Files under paths, how each is served, and what was asked for."""

    def __init__(self):
        self.files = {}
        self.manners = {}
        self.headers = []
        self.asked = []
        self.sent = 0
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def put(self, name, content, *manners):
        """Serve ``content``.

        Manners: ranges, no-etag, cut, short, flip, redirect, silent, slow, drip, endless, 403, 500.
        """
        self.files[name] = content
        self.manners[name] = set(manners)
        return f"{self.address}/{name}"

    def put_answer(self, name, answer):
        """Let ``answer(method)`` give status, headers and body."""
        self.files[name] = answer
        return f"{self.address}/{name}"

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def requests(self, method):
        return [name for asked, name, _ in self.asked if asked == method]

    def forget(self):
        self.asked.clear()
        self.sent = 0

    def close(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        site, name = self.site, self.path.lstrip("/").partition("?")[0]
        site.headers.append(dict(self.headers))
        site.asked.append((self.command, name, self.headers.get("Range")))
        manners = site.manners.get(name, set())
        if name not in site.files:
            return self.refuse(404)
        for status in (403, 500):
            if str(status) in manners:
                return self.refuse(status)
        if callable(site.files[name]):
            return self.give(*site.files[name](self.command), body=body)
        if "redirect" in manners:
            self.send_response(302)
            self.send_header("Location", f"/{site.files[name].decode()}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if "drip" in manners:
            for letter in b"HTTP/1.0 200 OK\r\nX-Long: " + b"x" * 400:
                if not self.write(bytes([letter])) or site.released.wait(0.05):
                    break
            return None
        if "silent" in manners and body:
            site.released.wait(20)
            return None
        content, status, total = site.files[name], 200, len(site.files[name])
        if "endless" in manners:
            return self.pour(body)
        if "ranges" in manners and (wanted := self.headers.get("Range")):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            last = min(int(last or total - 1), total - 1)
            content, status = content[int(first) : last + 1], 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        if "ranges" in manners:
            self.send_header("Accept-Ranges", "bytes")
        if "no-etag" not in manners:
            self.send_header("ETag", f'"{hashlib.md5(site.files[name]).hexdigest()}"')
        if "flip" in manners:
            content = bytearray(content)
            content[len(content) // 2] ^= 1
        if "short" in manners:  # no length is announced, and the body ends early
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            half = len(content) // 2
            content = content[:half] if manners & {"cut", "short"} else content
            self.close_connection = True
            piece = max(1, len(content) // 4) if "slow" in manners else len(content)
            for at in range(0, len(content), piece):
                self.write(content[at : at + piece])
                site.released.wait(0.15 if "slow" in manners else 0)
        return None

    def give(self, status, headers, content, *, body):
        self.protocol_version, self.close_connection = "HTTP/1.1", True
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if body and isinstance(content, tuple):  # seconds between pieces, and their size
            while self.write(bytes(content[1])) and not self.site.released.wait(content[0]):
                pass
        elif body:
            self.write(content)

    def pour(self, body):
        self.send_response(200)
        self.end_headers()
        while body and self.write(bytes(1 << 16)):
            pass

    def write(self, content):
        try:
            self.wfile.write(content)
        except OSError:
            return False
        self.site.sent += len(content)
        return True

    def refuse(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass
