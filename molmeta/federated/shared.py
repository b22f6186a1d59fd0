"""What travels between labs and server: the tensors of a learner that hold no single compound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molmeta.errors import InputError
from molmeta.federated.plan import Phase
from molmeta.heads.evidence.head import Evidence
from molmeta.learner import Learner

Array = NDArray[np.float32]


def trunk(learner: Learner) -> list[Tensor]:
    """Weights of the encoder, and its running means where it has any."""
    return [value for value in learner.encoder.state_dict().values() if value.is_floating_point()]


def prior(learner: Learner) -> list[Tensor]:
    """Parameters of the head: the hyper-prior of its settings, a length scale, a link."""
    return [parameter.data for parameter in learner.head().parameters()]


def direction(learner: Learner) -> list[Tensor]:
    """The mean direction of the training assays, which the prior starts from."""
    head = learner.head()
    assert isinstance(head, Evidence)
    return [head.get_buffer("prior_mean")]


def whole(learner: Learner) -> list[Tensor]:
    """All that is shared."""
    return [*trunk(learner), *direction(learner), *prior(learner)]


def changed(learner: Learner, phase: Phase) -> list[Tensor]:
    """What a round of this phase changes."""
    return {Phase.TRUNK: trunk, Phase.START: direction, Phase.PRIOR: prior}[phase](learner)


def arrays(tensors: Sequence[Tensor]) -> list[Array]:
    """Copies float32 of tensors."""
    return [tensor.detach().cpu().float().numpy().copy() for tensor in tensors]


def put(tensors: Sequence[Tensor], values: Sequence[Array]) -> None:
    """Gives tensors the values that came.

    Raises
    ------
    InputError
        They are of other shapes, or not finite.
    """
    expected = [tuple(tensor.shape) for tensor in tensors]
    if [value.shape for value in values] != expected:
        raise InputError(
            f"{len(values)} arrays came for {len(expected)} tensors of the model, or of other shapes; server "
            "and labs must run the same version of molmeta"
        )
    if not all(np.isfinite(value).all() for value in values):
        raise InputError("the weights that came are not finite; the federation has diverged")
    with torch.no_grad():
        for tensor, value in zip(tensors, values, strict=True):
            tensor.copy_(torch.from_numpy(np.asarray(value, dtype=np.float32)))


def join(parts: Sequence[NDArray[Any]], dtype: type[np.floating] = np.float32) -> NDArray[Any]:
    """All numbers of some arrays in one vector, as they travel."""
    return np.concatenate([np.ravel(part).astype(dtype) for part in parts])


def split(vector: NDArray[Any], tensors: Sequence[Tensor]) -> list[Array]:
    """What `join` made of arrays with the shapes of these tensors.

    Raises
    ------
    InputError
        It has another length.
    """
    sizes = [tensor.numel() for tensor in tensors]
    if vector.shape != (sum(sizes),):
        raise InputError(
            f"{vector.size} numbers came, wanted {sum(sizes)}; server and labs must run the same version of "
            "molmeta"
        )
    parts = np.split(vector.astype(np.float32), np.cumsum(sizes)[:-1])
    return [part.reshape(tuple(tensor.shape)) for part, tensor in zip(parts, tensors, strict=True)]


def add(tensors: Sequence[Tensor], update: Sequence[Array]) -> None:
    """Adds an update to tensors; raises InputError as `put` does."""
    put(tensors, [old + new for old, new in zip(arrays(tensors), update, strict=True)])
