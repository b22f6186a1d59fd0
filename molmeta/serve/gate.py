"""`Gate`: what every request passes before anything reads it, and every response on its way out."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from molmeta.serve.hosts import Hosts, cross_site
from molmeta.serve.limits import Limits
from molmeta.serve.problems import MEDIA, RequestError, encoded

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_PATIENCE = 30.0  # seconds that the body of a request may take to arrive


class Gate:
    """Checks the host and the origin, reads the body up to its limit, adds headers, and logs.

    The log has the method, the route and the status: no path as it was sent, no body, no message of an
    exception, in all of which there may be structures.

    Parameters
    ----------
    app : ASGI application
    hosts : Hosts
    limits : Limits
    log : callable
        Is given a line.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, limits: Limits, log: Callable[[str], None]) -> None:
        self._app, self._hosts, self._limits, self._log = app, hosts, limits, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, await self._checked(scope, receive), guarded)
        except RequestError as error:
            await _tell(guarded, error)
        except Exception as error:
            self._log(f"molmeta serve: a bug: {_where(error)}")
            if not status:
                await _tell(guarded, RequestError(500, "a bug of molmeta; the log of the service says where"))
        finally:
            route = getattr(scope.get("route"), "path", "(no such page)")
            seconds = time.perf_counter() - started
            self._log(f"{scope['method']} {route} {status or 'broken off'} {seconds:.2f} s")

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """The body of a request that may come in, to be received again."""
        headers = Headers(scope=scope)
        if not self._hosts.serve(headers.get("host", "")):
            raise RequestError(421, "this service does not answer under that name; start it with allow_host")
        if cross_site(scope["method"], headers):
            raise RequestError(403, "this form was sent by a page of another site, and was not read")
        body = await self._body(headers, receive)
        sent = False

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return again

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        stated = headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated) > self._limits.body:
            raise self._too_large()
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._collected(receive)
        except TimeoutError:
            raise RequestError(408, f"the request did not arrive within {_PATIENCE:g} s") from None

    async def _collected(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message: dict[str, Any] = dict(await receive())
            if message["type"] == "http.disconnect":
                raise RequestError(400, "the connection was closed before all of the request had come")
            body += message.get("body", b"")
            if len(body) > self._limits.body:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> RequestError:
        return RequestError(413, f"the request is larger than {self._limits.body:,} bytes; send fewer rows")


async def _tell(send: Send, error: RequestError) -> None:
    body = encoded(error.problem)
    headers = {"content-type": MEDIA, "content-length": str(len(body)), "connection": "close"} | error.headers
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _where(error: Exception) -> str:
    """The kind of an exception and the lines that it passed, without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    places = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"
