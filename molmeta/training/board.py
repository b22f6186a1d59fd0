"""What TensorBoard shows of a run: the lines of `train.jsonl`, while they are written."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from molmeta.errors import ConfigError
from molmeta.training.report import Progress

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class Board:
    """Writes events for TensorBoard.

    A run that goes on cuts off what it lost, which events cannot; so they are written anew from the log.

    Parameters
    ----------
    folder : Path
        Of the run; the events go to its folder `tensorboard`, which is emptied.
    before : iterable of Progress
        What the run has logged so far.

    Raises
    ------
    ConfigError
        TensorBoard is not installed.
    """

    def __init__(self, folder: Path, before: Iterable[Progress] = ()) -> None:
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        self._writer = _writer(folder / FOLDER)
        for one in before:
            self.add(one)

    def add(self, now: Progress) -> None:
        """The numbers of a line, each under its stage."""
        numbers = {f"loss/{name}": value for name, value in now.loss.items()}
        numbers |= {f"validation/{name}": value for name, value in now.validation.items()}
        for name, value in (numbers | {"learning rate": now.rate}).items():
            self._writer.add_scalar(f"{now.stage}/{name}", value, now.step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _writer(folder: Path) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(f"--tensorboard needs it: pip install 'molmeta[train]' ({error})") from error
    return SummaryWriter(str(folder))
