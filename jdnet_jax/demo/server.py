"""Serves the files of a site and nothing else: addresses are looked up in a table, and no path reaches the disk."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
import socketserver
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from jdnet_jax.demo import site as site_lib
from jdnet_jax.demo.site import Asset
from jdnet_jax.process.errors import UserError

_HEADERS = {
    "Content-Security-Policy": f"{site_lib.POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Asked for anew each time, so that another student shows at once; the tag saves sending unchanged files.
    "Cache-Control": "no-cache",
}


class Server(ThreadingHTTPServer):
    """Serves a site at an address; `serve_forever` and `shutdown` are those of `socketserver`.

    Attributes:
        url: URL of the page.
    """

    daemon_threads = True

    def __init__(self, site: Mapping[str, Asset], host: str, port: int):
        """Binds.

        Args:
            site: the site, from `site.create`.
            host: name or address of the interface.
            port: 0 for any that is free.

        Raises:
            UserError: there is no such interface, or the port is taken or not allowed.
        """
        self.site = site
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            self.address_family = addresses[0][0]
            super().__init__((host, port), _Handler)
        except (OSError, ValueError) as error:  # the latter for a name that can be none
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(
                f"--host={host} --port={port} cannot be served at ({reason}): choose another port, or 0 for any"
            ) from error
        self._everywhere = _is_address(host, "is_unspecified")
        shown = _own_address() if host == "0.0.0.0" else f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.server_address[1]}/"
        self._names = {"localhost", host.lower(), shown.lower()}

    def answers_to(self, host: str) -> bool:
        """Whether the Host header of a request names this server.

        A page of another site could otherwise have its name resolved to this machine (DNS rebinding) and read what
        is served here. IP addresses are safe from that, because they are not resolved.
        """
        try:
            name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
        except ValueError:
            return False
        return name in self._names or _is_address(name, "is_loopback") or (self._everywhere and _is_address(name))

    def server_bind(self) -> None:
        """Binds as `TCPServer` does: HTTP servers also ask the network for the host's name, which may take long."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores the error: a browser hangs up when the user leaves the page."""


def serve_until_interrupted(server: Server) -> None:
    """Serves until Ctrl-C or SIGTERM, which end it normally."""
    with _sigterm_interrupts(), contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.2)
    server.server_close()


def _is_address(host: str, kind: str = "version") -> bool:
    """Whether it is an IP address (and no name), of a kind such as `is_loopback`."""
    try:
        return bool(getattr(ipaddress.ip_address(host), kind))
    except ValueError:
        return False


def _own_address() -> str:
    """This machine's address in the network; its name if it has no address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of documentation (RFC 5737); nothing is sent
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "jdnet_jax", ""
    timeout = 60  # seconds that a connection may say nothing
    server: Server

    def do_GET(self) -> None:
        """Answers with a file of the site."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answers as for GET, without the content."""
        self._answer(body=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing for a request."""

    def end_headers(self) -> None:
        """Adds the security headers to every answer, errors included."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def _answer(self, body: bool) -> None:
        if not self.server.answers_to(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "Not the name of this server")
            return
        address = unquote(urlsplit(self.path).path).removeprefix("/") or site_lib.INDEX
        asset = self.server.site.get(address)
        if asset is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        compressed = asset.compressed if "gzip" in self.headers.get("Accept-Encoding", "") else None
        tag = f'"{asset.tag}{"-gzip" if compressed else ""}"'
        known = self.headers.get("If-None-Match") == tag
        content = compressed or asset.content
        self.send_response(HTTPStatus.NOT_MODIFIED if known else HTTPStatus.OK)
        self.send_header("ETag", tag)
        self.send_header("Vary", "Accept-Encoding")
        if not known:
            self.send_header("Content-Type", asset.media_type)
            self.send_header("Content-Length", str(len(content)))
            if compressed:
                self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if body and not known:
            self.wfile.write(content)
