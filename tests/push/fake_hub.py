"""A server on the loopback interface that answers as the Hugging Face hub does, with repositories that begin empty."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
from urllib.parse import unquote, urlsplit

TOKEN = "hf_may_write"


class Hub(http.server.ThreadingHTTPServer):
    """Repositories, each a list of commits (path -> content), and the large files that were sent aside."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories, self.large, self.private = {}, {}, {}
        self.asked = []  # method and path of each request
        self.url = f"http://127.0.0.1:{self.server_port}"

    def files(self, name):
        """The newest content of a repository."""
        return self.repositories[name][-1]


@contextlib.contextmanager
def serving():
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


def _commit(files):
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_GET(self):
        self._read(body=True)

    def do_HEAD(self):
        self._read(body=False)

    def do_POST(self):
        content = self._content()
        self._note()
        path = urlsplit(self.path).path
        if path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
            return
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json({"error": "no"}, status=403)
            return
        asked = json.loads(content) if not path.endswith("/commit/main") else None
        if path == "/api/repos/create":
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            if name in self.server.repositories:
                self._json({"error": "exists", "url": f"{self.server.url}/{name}"}, status=409)
                return
            self.server.repositories[name], self.server.private[name] = [{}], asked.get("private", False)
            self._json({"url": f"{self.server.url}/{name}"})
        elif path.endswith("/preupload/main"):
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if re.search(r"\.(safetensors|tflite)$", file["path"]) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in asked["files"]
            ]
            self._json({"files": modes})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.server.url}/large/{one['oid']}"}}}
                for one in asked["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})
        elif match := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            files = dict(self.server.files(match[1]))
            for line in map(json.loads, content.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    files[value["path"]] = self.server.large[value["oid"]]
                elif line["key"] == "deletedFile":
                    del files[value["path"]]
            self.server.repositories[match[1]].append(files)
            oid = _commit(files)
            self._json({"commitUrl": f"{self.server.url}/{match[1]}/commit/{oid}", "commitOid": oid})
        else:
            self._json({"error": "unknown"}, status=404)

    def do_PUT(self):
        content = self._content()
        self._note()
        digest = self.path.rpartition("/")[2]
        assert hashlib.sha256(content).hexdigest() == digest
        self.server.large[digest] = content
        self._json({})

    def _read(self, *, body):
        self._note()
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            if match[1] not in self.server.repositories:
                self._json({"error": "none"}, status=404, **{"X-Error-Code": "RepoNotFound"})
                return
            files = self.server.files(match[1])
            if match[2] == "tree":
                self._json(
                    [
                        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                        for name, content in files.items()
                    ]
                )
                return
            siblings = [{"rfilename": name} for name in files]
            self._json({"id": match[1], "modelId": match[1], "sha": _commit(files), "siblings": siblings})
            return
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        files = self.server.files(match[1]) if match and match[1] in self.server.repositories else {}
        if not match or match[3] not in files:
            self._json({"error": "none"}, status=404, **{"X-Error-Code": "EntryNotFound" if files else "RepoNotFound"})
            return
        content = files[match[3]]
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", _commit(files))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _note(self):
        self.server.asked.append((self.command, urlsplit(self.path).path))

    def _content(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, value, status=200, **headers):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args):
        pass
