"""How numbers of things are said, and how text of others is put into pages."""

from __future__ import annotations

import html
import re

# What neither XML nor a page may hold, escaped or not.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def counted(number: int, noun: str) -> str:
    """A number with its noun, which takes an s.

    >>> counted(1, "row"), counted(0, "row"), counted(8484, "row")
    ('1 row', '0 rows', '8484 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def escaped(text: str) -> str:
    """Text that HTML and SVG show as it is, between tags and in attributes.

    >>> escaped("<script>alert('x')</script>")
    '&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;'
    """
    # Half a character of a broken table would keep a page from being saved.
    sound = text.encode("utf-8", "backslashreplace").decode()
    return html.escape(_FORBIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}", sound))
