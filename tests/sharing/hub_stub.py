"""As much of the Hugging Face Hub's HTTP API as pushing and reading one small dataset take."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

HEAD = "c" * 40


class Hub:
    """Repositories of files by name, and what was committed."""

    def __init__(self):
        self.repositories = {}
        self.commits = []
        self.status = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(b"")

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def answer(self, body):
        hub, parts = self.hub, unquote(urlsplit(self.path).path).strip("/").split("/")
        if hub.status is not None:
            return self.say({"error": "no"}, hub.status)
        if parts == ["api", "repos", "create"]:
            wanted = json.loads(body)
            name = "/".join(filter(None, (wanted.get("organization"), wanted["name"])))
            hub.repositories.setdefault(name, {})
            return self.say({"url": f"{hub.endpoint}/datasets/{name}"})
        if parts == ["api", "validate-yaml"]:
            return self.say({"errors": [], "warnings": []})
        parts = parts[1:] if parts[0] == "api" else parts
        name = "/".join(parts[1:3])
        if parts[0] != "datasets" or name not in hub.repositories:
            return self.say({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        return self.answer_repository(name, hub.repositories[name], parts[3:], body)

    def answer_repository(self, name, files, parts, body):
        what = parts[0] if parts else "revision"
        if what == "revision":
            return self.say({"id": name, "sha": HEAD, "siblings": [{"rfilename": path} for path in files]})
        if what in ("tree", "paths-info"):  # the latter by old clients
            wanted = parse_qs(body.decode()).get("paths", ()) if what == "paths-info" else files
            rows = [
                {"type": "file", "path": path, "size": len(content), "oid": oid(content)}
                for path, content in files.items()
                if path in wanted
            ]
            return self.say(rows)
        if what == "preupload":
            wanted = json.loads(body)["files"]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            return self.say({"files": [{"path": file["path"], **modes} for file in wanted]})
        if what == "commit":
            lines = [json.loads(line) for line in body.splitlines()]
            (header,) = (line["value"] for line in lines if line["key"] == "header")
            sent = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            files |= sent
            self.hub.commits.append((header["summary"], sorted(sent)))
            page = f"{self.hub.endpoint}/datasets/{name}/commit/{HEAD}"
            return self.say({"success": True, "commitOid": HEAD, "commitUrl": page})
        path = "/".join(parts[2:])
        if what != "resolve" or path not in files:
            return self.say({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        return self.say_file(files[path])

    def say_file(self, content):
        total = len(content)
        headers = {"ETag": f'"{oid(content)}"', "X-Repo-Commit": HEAD, "Accept-Ranges": "bytes"}
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            last = min(int(last or total - 1), total - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{total}"
            return self.send(content[int(first) : last + 1], 206, headers)
        return self.send(content, 200, headers)

    def say(self, value, status=200, headers=()):
        return self.send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **dict(headers)})

    def send(self, content, status, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


def oid(content):
    """What git calls a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
