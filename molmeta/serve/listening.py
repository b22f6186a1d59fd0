"""An address to listen at, and the server that does."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from molmeta.errors import ResourceError

_CONNECTIONS = 200
_FAREWELL = 2  # seconds that requests under way have when the service is told to end


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any free one.

    Raises
    ------
    ResourceError
        Somebody else listens there, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ResourceError(
            f"cannot listen at {host} port {port}: {reason}; give another --port (0: any free one) or --host"
        ) from error


def address(listening: socket.socket) -> str:
    """The address of a socket, for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(app: ASGIApp, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Answers until SIGINT or SIGTERM, which then does what it did before this call."""
    config = uvicorn.Config(
        app,
        access_log=False,  # it has addresses as they were sent
        log_config=None,
        log_level="critical",
        lifespan="off",
        http="h11",
        ws="none",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_FAREWELL,
    )
    ready()
    uvicorn.Server(config).run(sockets=[listening])
