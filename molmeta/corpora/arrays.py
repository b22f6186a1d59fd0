"""Arrays on disk that grow while they are written, and that are mapped into memory to be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molmeta.corpora.packing import BORDERS
from molmeta.errors import InputError

_VERSION = (1, 0)


class GrowingArray:
    """A .npy file to which rows are appended; its header, which numpy pads for that, is written last.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: BinaryIO | None = None
        self._kind: tuple[np.dtype[Any], tuple[int, ...]] | None = None
        self.rows = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Rows of the type and width of those before."""
        kind = (rows.dtype, rows.shape[1:])
        if self._stream is None:
            self._stream, self._kind = self._path.open("wb"), kind
            self._head()
        if kind != self._kind:
            raise ValueError(f"{self._path.name} holds {self._kind}, not {kind}")
        self._stream.write(np.ascontiguousarray(rows).tobytes())
        self.rows += len(rows)

    def close(self) -> None:
        """Ends the file, with the number of its rows."""
        if self._stream is not None:
            self._stream.seek(0)
            self._head()
            self._stream.close()
            self._stream = None

    def _head(self) -> None:
        assert self._stream is not None
        assert self._kind is not None
        dtype, width = self._kind
        content = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (self.rows, *width),
        }
        np.lib.format.write_array_header_1_0(self._stream, content)


class FeatureFiles:
    """The features of all compounds, one file a part of a feature, written chunk by chunk.

    Parameters
    ----------
    folder : Path
        Made here.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._files: dict[str, GrowingArray] = {}
        self._ends: dict[str, int] = {}

    def append(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """What `molmeta.corpora.packing.pack` made of the next compounds."""
        for name, array in arrays.items():
            new = name not in self._files
            file = self._files.setdefault(name, GrowingArray(self._folder / f"{name}.npy"))
            if name in BORDERS.values():
                end = self._ends.get(name, 0)
                self._ends[name] = end + int(array[-1])
                array = (array if new else array[1:]) + end
            file.append(array)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def map_features(folder: Path, n: int) -> dict[str, Tensor]:
    """Tensors by name over the files of a folder, whose bytes are read when they are used.

    Raises
    ------
    InputError
        A file is cut off, or does not hold n compounds.
    """
    stored: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.npy")):
        name = file.name.removesuffix(".npy")
        try:
            # Copy on write, so that torch may have it; nothing writes to it.
            stored[name] = torch.from_numpy(np.load(file, mmap_mode="c"))
        except (ValueError, OSError) as error:
            raise InputError(f"{file} is cut off or damaged ({error}); build the corpus again") from error
    for name, tensor in stored.items():
        border = BORDERS.get(name)
        wanted = n + 1 if name in BORDERS.values() else n if border is None else int(stored[border][-1])
        if len(tensor) != wanted:
            raise InputError(
                f"{folder / name}.npy has {len(tensor)} rows, not {wanted}; build the corpus again"
            )
    return stored
