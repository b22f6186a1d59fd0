"""Tables of single compounds in a head, looked up by their identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Table(nn.Module):
    """Buffers with one row a compound; how many rows there are comes with the state, not from a config."""

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *rest: Any, **options: Any
    ) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape[1:] == buffer.shape[1:]:
                setattr(self, name, buffer.new_zeros(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest, **options)

    def fault(self) -> str | None:
        """What the rows of this table contradict each other in, where it came from a file."""
        return None

    def fill(self, **rows: Tensor) -> None:
        """Replaces the rows of the buffers named."""
        for name, value in rows.items():
            buffer = self.get_buffer(name)
            setattr(self, name, value.to(buffer))


def ascends(keys: Tensor) -> bool:
    """Whether none of keys int64[c] is smaller than the one before."""
    return bool((keys[1:] >= keys[:-1]).all())


def find(keys: Tensor, wanted: Tensor) -> Tensor:
    """int64[n]: position of each of `wanted` int64[n] in the sorted `keys` int64[c], or -1."""
    if not len(keys):
        return torch.full_like(wanted, -1)
    at = torch.searchsorted(keys, wanted.contiguous()).clamp(max=len(keys) - 1)
    return torch.where(keys[at] == wanted, at, -1)
