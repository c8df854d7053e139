import http.client
import socket
import urllib.request

import pytest

from jdnet_jax.demo import server, site
from jdnet_jax.process.errors import UserError
from tests.demo.served import serving

FILES = {
    "index.html": site.Asset(b"<p>page</p>", "text/html; charset=utf-8", None, "a"),
    "runtime/run.wasm": site.Asset(b"\0" * 1000, "application/wasm", b"compressed", "b"),
}


@pytest.fixture(scope="module")
def address():
    with serving(FILES) as server_:
        yield server_.server_address


def ask(address, method, path, **headers):
    connection = http.client.HTTPConnection(*address[:2], timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def test_files_have_their_type_and_the_page_is_at_the_root(address):
    for path in ("/", "/index.html", "/?source=app", "/index.html?a=/../b"):
        response, content = ask(address, "GET", path)
        assert (response.status, content) == (200, b"<p>page</p>")
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    response, content = ask(address, "GET", "/runtime/run.wasm")
    assert (response.headers["Content-Type"], response.headers["Content-Encoding"]) == ("application/wasm", None)
    assert content == bytes(1000)


def test_a_browser_that_takes_gzip_gets_it(address):
    response, content = ask(address, "GET", "/runtime/run.wasm", **{"Accept-Encoding": "gzip, br"})
    assert (response.headers["Content-Encoding"], content) == ("gzip", b"compressed")
    assert response.headers["Vary"] == "Accept-Encoding"


def test_what_has_not_changed_is_not_sent_again(address):
    tag = ask(address, "GET", "/")[0].headers["ETag"]
    response, content = ask(address, "GET", "/", **{"If-None-Match": tag})
    assert (response.status, content) == (304, b"")
    assert ask(address, "GET", "/", **{"If-None-Match": '"other"'})[0].status == 200
    zipped = ask(address, "GET", "/runtime/run.wasm", **{"Accept-Encoding": "gzip"})[0].headers["ETag"]
    assert ask(address, "GET", "/runtime/run.wasm", **{"If-None-Match": zipped})[0].status == 200


def test_head_answers_without_the_content(address):
    response, content = ask(address, "HEAD", "/")
    assert (response.status, response.headers["Content-Length"], content) == (200, "11", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/server.py",
        "/../server.py",
        "/runtime/../../server.py",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/runtime",
        "/runtime/",
        "/runtime/run.wasm/",
        "/runtime\\run.wasm",
        "/index.html%00.png",
        "/INDEX.HTML",
    ],
)
def test_nothing_else_is_served(address, path):
    assert ask(address, "GET", path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_nothing_can_be_changed(address, method):
    assert ask(address, method, "/")[0].status == 501


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_every_answer_has_the_safeguards(address, path):
    headers = ask(address, "GET", path)[0].headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-cache"
    assert "Python" not in headers["Server"]


def test_the_address_is_that_of_the_interface_and_a_taken_port_is_one_line(address):
    with serving(FILES) as server_:
        assert server_.url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(server_.url, timeout=10) as response:
            assert response.status == 200
        port = server_.server_address[1]
        with pytest.raises(UserError, match=rf"--port={port} cannot be served at \(Address already in use\)"):
            server.Server(FILES, "127.0.0.1", port)
    for host in ("nowhere.invalid", "a..b", "a" * 64, "a\0b"):
        with pytest.raises(UserError) as error:
            server.Server(FILES, host, 0)
        assert str(error.value).startswith(f"--host={host} --port=0 cannot be served at (")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1:8000", 200),
        ("127.9.9.9", 200),
        ("[::1]:8000", 200),
        ("rebound.example", 421),
        ("rebound.example:8000", 421),
        ("localhost.rebound.example", 421),
        ("192.0.2.1", 421),
        ("a@localhost.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_only_a_name_of_this_machine_is_answered_to(address, host, status):
    """A page of elsewhere whose name was made to stand for this machine sends that name."""
    response, content = ask(address, "GET", "/", Host=host)
    assert response.status == status
    assert (b"page" in content) == (status == 200)


def test_the_host_that_was_asked_for_is_answered_to_and_on_all_interfaces_addresses_are():
    named = server.Server(FILES, "localhost", 0)
    everywhere = server.Server(FILES, "0.0.0.0", 0)
    assert named.answers_to("localhost:80")
    assert not named.answers_to("192.0.2.1")
    assert everywhere.answers_to("192.0.2.1:80")
    assert everywhere.answers_to(everywhere.url.removeprefix("http://").rstrip("/"))
    assert not everywhere.answers_to("rebound.example")
    for server_ in (named, everywhere):
        server_.server_close()


def test_on_all_interfaces_the_address_is_one_that_others_can_reach():
    server_ = server.Server(FILES, "0.0.0.0", 0)
    host = server_.url.removeprefix("http://").partition(":")[0]
    assert host not in ("", "0.0.0.0", "127.0.0.1")
    server_.server_close()


def test_an_address_of_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    server_ = server.Server(FILES, "::1", 0)
    assert server_.url.startswith("http://[::1]:")
    server_.server_close()
