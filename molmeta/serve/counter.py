"""`Counter`: what the page and the interface share: what is offered, and how questions are answered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

from molmeta.errors import ConfigError, MolmetaError
from molmeta.loading import load
from molmeta.serve.answer import Illustrated
from molmeta.serve.answering import Offered
from molmeta.serve.desk import Desk
from molmeta.serve.limits import Limits
from molmeta.serve.problems import RequestError, said_of
from molmeta.serve.question import Question


@dataclass(frozen=True)
class Counter:
    """What is offered, and who answers.

    Attributes
    ----------
    checkpoint : str
    offered : dict of str to Offered
        By name.
    desk : Desk
    """

    checkpoint: str
    offered: dict[str, Offered]
    desk: Desk[Question, Illustrated]

    @property
    def limits(self) -> Limits:
        return self.desk.limits

    @property
    def version(self) -> str:
        """Of molmeta."""
        return version("molmeta")

    def offer(self, name: str) -> Offered:
        """An offered model; raises RequestError where there is none of that name."""
        if name not in self.offered:
            known = ", ".join(self.offered) or "none; give molmeta serve some"
            raise RequestError(404, f"no model of that name is offered; there are: {known}")
        return self.offered[name]

    async def answer(self, question: Question) -> Illustrated:
        """The answer; raises RequestError where there is none."""
        try:
            return await self.desk.ask(question)
        except MolmetaError as error:
            raise said_of(error) from error


def offers(paths: Iterable[str]) -> dict[str, Offered]:
    """Adapted models by the names of their assays, as they may stand in an address.

    Raises
    ------
    CheckpointError
        A file that is no model.
    ConfigError
        Two of one name.
    """
    found: dict[str, Offered] = {}
    for path in paths:
        report = load(path, device="cpu").report
        name = re.sub(r"[^\w+-]+", "_", report.assay).strip("_") or "assay"
        if name in found:
            raise ConfigError(
                f"{found[name].path} and {path} are both called {name}; wanted models of different assays"
            )
        found[name] = Offered(name, path, report)
    return found
