"""Which requests a browser may have been talked into: names of the host, and where a form came from."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_HERE = ("localhost", "127.0.0.1", "::1")
_READING = frozenset(["GET", "HEAD", "OPTIONS"])


@dataclass(frozen=True)
class Hosts:
    """The names under which a service answers.

    A page elsewhere can have its own name resolve to this machine (DNS rebinding), and then read what a
    browser here is told; it cannot change the name in the request.

    Attributes
    ----------
    names : frozenset of str
        In lower case, without ports.
    any_address : bool
        Whether any address in digits will do too: it is no name, so nobody can have made it up.
    """

    names: frozenset[str]
    any_address: bool = False

    @classmethod
    def of(cls, bound: str, allowed: tuple[str, ...] = ()) -> Hosts:
        """Those of a service that is bound to an address, and others that are allowed."""
        everywhere = bound in ("0.0.0.0", "::", "")  # nosec B104
        own = [socket.gethostname(), *_HERE] if everywhere else [bound]
        here = _HERE if bound in _HERE else ()
        names = (*own, *here, *allowed)
        return cls(frozenset(name.lower().strip("[]") for name in names), everywhere)

    def serve(self, host: str) -> bool:
        """Whether a Host header names this service.

        >>> hosts = Hosts.of("127.0.0.1", ("lab.example",))
        >>> [hosts.serve(one) for one in ("localhost:8000", "[::1]:8000", "LAB.example", "evil.example", "")]
        [True, True, True, False, False]
        """
        name = _name(host)
        return name in self.names or (self.any_address and _is_address(name))


def cross_site(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request that is not for reading comes from a page elsewhere.

    Browsers say so in Sec-Fetch-Site, older ones in Origin; what is no browser says nothing.

    >>> cross_site("POST", {"host": "a:1", "origin": "http://a:1"}), cross_site("POST", {"host": "a:1"})
    (False, False)
    >>> cross_site("POST", {"host": "a:1", "origin": "null"}), cross_site("GET", {"origin": "http://b"})
    (True, False)
    """
    if method in _READING:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and _origin(origin) != headers.get("host", "").lower()


def _origin(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """Host of `host:port`; "" where it is neither a name nor an address."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
