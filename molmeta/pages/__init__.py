"""How molmeta's pages look: one style sheet and one frame, for the report and for the service.

Pages are filled in by jinja2 with every value escaped, hold no script and ask for nothing from elsewhere.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from molmeta.errors import ConfigError

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent


def unbroken(text: str) -> str:
    """Numbers stay on the line of their signs and units."""
    return text.replace(" ± ", "\u00a0±\u00a0").replace(" %", "\u00a0%")


@cache
def environment(templates: Path) -> Environment:
    """Templates of a folder, which extend `frame.html` of this one.

    Parameters
    ----------
    templates : Path
        Folder of `*.html`.

    Returns
    -------
    Environment
        Escapes all values; a name that is not given is an error. The global `style` is the style sheet.

    Raises
    ------
    ConfigError
        jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise ConfigError(f"pages need jinja2: pip install 'molmeta[report]' ({error})") from error
    made = Environment(
        loader=FileSystemLoader([templates, FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["unbroken"] = unbroken
    # A file of this package.
    made.globals["style"] = Markup((FOLDER / "style.css").read_text(encoding="utf-8"))  # nosec B704
    return made
