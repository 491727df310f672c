"""Connections as real clients make, break and neglect them, against a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import SO_RCVBUF, SOL_SOCKET, create_connection, socket

import pytest

from portfolio.bundle.store import Store
from serving.front.gathered import MAX_HEAD_BYTES
from tests.serving.runtime.test_hot_swap import BODY, call, connected, free_port, server, wait_until
from tests.tiny import publish

OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
SERVE = "from portfolio.cli.server import listening; from serving.server import run"
TOO_LARGE = b" " * (5 * 1024 * 1024)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PORTFOLIO_STATE", str(folder / "state"))
        publish(Store.of("toy"), folder / "one", version=1)
        port = free_port()
        with server(port):
            yield port


def head(more: str = "", length: int | str = len(BODY)) -> bytes:
    framing = f"Content-Length: {length}" if isinstance(length, int) else f"Transfer-Encoding: {length}"
    return f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}{framing}\r\n\r\n".encode()


def statuses(connection: socket, count: int) -> list[int]:
    """Of so many answers, or of fewer if the server closes before."""
    found: list[int] = []
    with connection.makefile("rb") as stream:
        while len(found) < count and (line := stream.readline()):
            found.append(int(line.split()[1]))
            length = 0
            while (field := stream.readline()) != b"\r\n":
                if field.lower().startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            stream.read(length)
    return found


@contextmanager
def opened(port: int) -> Iterator[socket]:
    with create_connection(("127.0.0.1", port), timeout=20) as connection:
        yield connection


CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY.encode())


@pytest.mark.parametrize(
    "parts",
    [
        [head(OFFER) + BODY.encode()],
        [head(OFFER), BODY.encode()],
        [head(OFFER)[:-3], head(OFFER)[-3:] + BODY.encode()[:5], BODY.encode()[5:]],
        [head(OFFER, "chunked") + CHUNKED],
        [head(OFFER, "chunked"), CHUNKED[:10], CHUNKED[10:]],
        [head("Connection: upgrade\r\nUpgrade: websocket\r\n") + BODY.encode()],
    ],
)
def test_an_offer_of_another_protocol_is_ignored(port: int, parts: list[bytes]) -> None:
    """As Java's own HTTP client makes it with its first request; later ones on the connection come without."""
    with opened(port) as connection:
        for part in parts:
            connection.sendall(part)
        assert statuses(connection, 1) == [200]
        connection.sendall((head(OFFER) + BODY.encode()) * 2 + head() + BODY.encode())
        assert statuses(connection, 3) == [200] * 3


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java: apt-get install default-jdk-headless")
def test_javas_own_client_gets_predictions(port: int, tmp_path: Path) -> None:
    if subprocess.run(["java", "--list-modules"], capture_output=True, text=True).stdout.find("java.net.http") < 0:
        pytest.skip("this Java has no HTTP client")
    source = tmp_path / "Ask.java"
    source.write_text(
        "import java.net.URI; import java.net.http.*;\n"
        "public class Ask { public static void main(String[] a) throws Exception {\n"
        "  HttpClient client = HttpClient.newHttpClient();\n"
        "  for (int i = 0; i < 3; i++) {\n"
        "    HttpRequest request = HttpRequest.newBuilder(URI.create(a[0]))\n"
        '      .header("Content-Type", "application/json")\n'
        "      .POST(HttpRequest.BodyPublishers.ofString(a[1])).build();\n"
        "    System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode());\n"
        "  } } }\n"
    )
    done = subprocess.run(
        ["java", str(source), f"http://127.0.0.1:{port}/predict", BODY], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["200"] * 3, done.stderr


def test_a_body_that_is_too_large_is_refused_and_never_reset(port: int) -> None:
    """urllib says Connection: close, and sends all of it before it looks for the answer."""
    for _ in range(10):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", TOO_LARGE)
        request.add_header("Content-Type", "application/json")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        assert refused.value.code == 413
        refused.value.close()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx: apt-get install nginx-light")
def test_nginx_passes_on_that_a_body_is_too_large(port: int, tmp_path: Path) -> None:
    """As it comes: HTTP/1.0 to the server, a connection for each request."""
    front = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(
        # To root's worker the folder would be closed.
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; events {{}}\n"
        f"pid {tmp_path}/pid; error_log {tmp_path}/errors;\n"
        f"http {{ access_log off; client_max_body_size 0; client_body_temp_path {tmp_path}/body; "
        f"proxy_temp_path {tmp_path}/proxy; server {{ listen 127.0.0.1:{front}; "
        f"location / {{ proxy_pass http://127.0.0.1:{port}; }} }} }}\n"
    )
    (tmp_path / "errors").touch()
    nginx = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(front))
        for _ in range(4):
            connection = HTTPConnection("127.0.0.1", front, timeout=20)
            connection.request("POST", "/predict", TOO_LARGE, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            assert answer.status == 413
    finally:
        nginx.terminate()
        nginx.wait(timeout=20)


@pytest.mark.parametrize("parts", [[b"GET / HTTP/1.1\r\nHost: x\r\nX: "], [b"GET / HTTP/1.1\r\nHost: x\r\n"]])
def test_a_head_without_end_is_refused(port: int, parts: list[bytes]) -> None:
    filler = b"a" * 1000 if parts[0].endswith(b": ") else b"A: a\r\n" * 200
    with opened(port) as connection:
        connection.sendall(parts[0] + filler * (3 * MAX_HEAD_BYTES // len(filler)))
        assert statuses(connection, 1) == [431]


def test_trailers_without_end_are_cut_off(port: int) -> None:
    with opened(port) as connection:
        connection.sendall(head("", "chunked") + b"1\r\n{\r\n0\r\n")
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            connection.sendall(b"X" * 500_000_000)


def test_thousands_of_pipelined_requests_are_answered_in_turn(port: int) -> None:
    count = 3000
    with opened(port) as connection, connected(port) as other:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * count + head() + BODY.encode())
        assert call(other, "GET", "/healthz")[0] == 200
        assert statuses(connection, count + 1) == [200] * (count + 1)


def test_what_is_not_a_request_comes_after_the_answers_to_those_before(port: int) -> None:
    with opened(port) as connection:
        connection.sendall(head() + BODY.encode() + b"\0\0nonsense\r\n\r\n")
        assert statuses(connection, 2) == [200]
    for nonsense in (b"\0\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", head("", "chunked") + b"zz\r\n"):
        with opened(port) as connection:
            connection.sendall(nonsense)
            assert statuses(connection, 2) == [400]


def test_later_requests_go_on_after_one_that_was_refused(port: int) -> None:
    with opened(port) as connection:
        connection.sendall(head("", len(TOO_LARGE)) + TOO_LARGE + head() + BODY.encode())
        assert statuses(connection, 2) == [413, 200]
    assert json.loads(BODY)


def test_who_takes_nothing_of_the_answers_is_cut_off(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each such client would keep its answers in memory for ever."""
    publish(store, tmp_path / "one", version=1)
    port = free_port()
    program = (
        "import serving.front.gathered as gathered; gathered.STALL_SECONDS = 1.0\n"
        f"{SERVE}; run(listening('127.0.0.1', {port}, ''))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port))
        with socket() as silent:
            silent.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
            silent.settimeout(60)
            silent.connect(("127.0.0.1", port))
            with pytest.raises(OSError, match=r"reset|Broken pipe"):
                silent.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000_000)
        with connected(port) as other:
            assert call(other, "GET", "/healthz")[0] == 200
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(port: int) -> bool:
    try:
        with connected(port) as connection:
            return call(connection, "GET", "/healthz")[0] == 200
    except OSError:
        return False


def test_after_sigterm_it_goes_on_for_as_long_as_is_set(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_SHUTDOWN_DELAY_SECONDS", "3")
    publish(store, tmp_path / "one", version=1)
    port = free_port()
    program = f"{SERVE}; run(listening('127.0.0.1', {port}, ''))"
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port))
        process.terminate()
        with connected(port) as probe:
            wait_until(lambda: call(probe, "GET", "/readyz")[0] == 503)
        # New connections are taken, and their requests answered.
        with connected(port) as late:
            assert call(late, "POST", "/predict", BODY)[0] == 200
        assert process.wait(timeout=15) == 0
    finally:
        process.kill()
        process.wait(timeout=30)
