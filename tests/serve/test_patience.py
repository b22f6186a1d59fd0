"""Connections that dawdle are ended, and everybody else is answered meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvicorn

from molmeta.serve import listening, patience

REQUEST = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A service with little patience and room for five connections."""
    monkeypatch.setattr(patience, "HEADERS", 0.4)
    monkeypatch.setattr(listening, "_CONNECTIONS", 5)
    servers: list[uvicorn.Server] = []
    make = uvicorn.Server

    def keep(config: uvicorn.Config) -> uvicorn.Server:
        servers.append(make(config))
        return servers[-1]

    monkeypatch.setattr(uvicorn, "Server", keep)
    with listening.listen("127.0.0.1", 0) as open_socket:
        thread = threading.Thread(target=listening.run, args=(hello, open_socket, lambda: None))
        thread.start()
        yield open_socket.getsockname()
        servers[0].should_exit = True
        thread.join(10)


def answer(connection: socket.socket, until: bytes = b"") -> bytes:
    """All that comes, until it ends so or the other side hangs up."""
    found = b""
    while piece := connection.recv(4096):
        found += piece
        if until and found.endswith(until):
            break
    return found


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nhost: 127.", b"POST / HTTP/1.1\r\n"])
def test_headers_that_do_not_come_are_not_waited_for(address: tuple[str, int], begun: bytes) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(begun)
        began = time.monotonic()
        assert answer(connection).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 5


def test_a_byte_now_and_then_holds_no_connection(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        for _ in range(10):
            with suppress(OSError):  # from some moment on, the other side has hung up
                connection.sendall(b"G")
            time.sleep(0.1)
        with suppress(ConnectionResetError):
            assert answer(connection).startswith(b"HTTP/1.1 408 ")


def test_after_an_answer_the_clock_runs_anew(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        for _ in range(3):
            time.sleep(0.2)
            connection.sendall(REQUEST)
            assert answer(connection, b"hi").startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET / HT")
        assert answer(connection).startswith(b"HTTP/1.1 408 ")


def test_many_that_dawdle_do_not_shut_others_out(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        for _ in range(12):
            slow = stack.enter_context(socket.create_connection(address, timeout=10))
            slow.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(1.2)
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(REQUEST)
            assert answer(connection, b"hi").startswith(b"HTTP/1.1 200 ")
