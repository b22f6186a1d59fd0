"""`Halving`: batches that a device has not the memory for are done in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from molmeta.errors import ResourceError

T = TypeVar("T")


class Halving:
    """Does work on n rows at a time, or on half of them where the device is out of memory, and so on.

    What fitted once is taken from then on, so that the device is not filled up at each batch anew.

    Attributes
    ----------
    most : int or None
        Rows that fit; None while all did.
    """

    def __init__(self) -> None:
        self.most: int | None = None

    def __call__(self, work: Callable[[range], T], n: int) -> list[T]:
        """What the work makes of successive ranges that cover n rows; of an empty one where n is 0.

        Raises
        ------
        ResourceError
            A single row does not fit, or the device failed: then this process can compute nothing on it any
            more, and another device would give other last digits.
        """
        done: list[T] = []
        start = 0
        while start < n or not done:
            part = range(start, min(n, start + (self.most or max(n, 1))))
            try:
                done.append(work(part))
                start = part.stop
                continue
            except torch.OutOfMemoryError as error:
                said = str(error).partition("\n")[0]
            except torch.AcceleratorError as error:
                said = str(error).partition("\n")[0]
                raise ResourceError(
                    f"the device failed ({said}); go on with --resume when it works again, or start anew "
                    "with --force --device cpu"
                ) from error
            # Here, where the traceback, which holds the tensors of what failed, is gone.
            if len(part) < 2:
                raise ResourceError(
                    f"the device has no memory for a single compound ({said}); free some, or use --device cpu"
                )
            self.most = len(part) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return done
