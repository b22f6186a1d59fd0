"""The processes that train one learner: each takes a part of every batch, and the gradients are added up.

`torchrun` starts them and tells each its place by environment variables; where it did not, a process is a
group of its own. All do the same steps on the same weights, so that any of them could go on alone. The first
writes the files, in a folder that all must see; where one is killed, torchrun starts all again
(`--max-restarts`), and they go on from the last state.

Source: Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training".
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from molmeta.ensemble import pick_device

# The first process computes features, and in the end scores the heads, while the others wait.
_PATIENCE = timedelta(hours=12)


@dataclass(frozen=True)
class Group:
    """The place of this process among those that train together.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, of so many.
    local_rank : int
        Its number among those of the same machine, which is that of its GPU.
    restarts : int
        How often all of them were started again.
    device : torch.device
        What it computes on.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    restarts: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def of_environment(cls, device: str) -> Group:
        """The group that torchrun has put this process in, or one of this process alone.

        Raises
        ------
        ConfigError
            No such device (see `pick_device`).
        """
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT")
        rank, size, local_rank, restarts = (int(os.environ.get(name, name == "WORLD_SIZE")) for name in names)
        picked = pick_device(device)
        if size > 1 and picked.type == "cuda" and picked.index is None:
            picked = pick_device(f"cuda:{local_rank}")
        return cls(rank, size, local_rank, restarts, picked)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes the files."""
        return self.rank == 0

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Connects the processes, by NCCL between GPUs, else by gloo."""
        if self.size == 1:
            yield
            return
        (store, rank, size), *_ = itertools.islice(rendezvous("env://", timeout=_PATIENCE), 1)
        # torchrun may keep the store when it starts the processes again, with the addresses of dead ones.
        fresh = PrefixStore(f"{self.restarts} restarts", store)
        backend = "nccl" if self.device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, store=fresh, rank=rank, world_size=size, timeout=_PATIENCE)
        try:
            yield
        finally:
            distributed.destroy_process_group()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """The first process does what is inside, then all others do."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def reseed(self, *key: int) -> None:
        """Gives this process random numbers of its own, the same for the same key.

        A process that is alone keeps its sequence, which is part of the state of a run.
        """
        if self.size > 1:
            (seed,) = np.random.SeedSequence([*key, self.rank]).generate_state(1, np.uint64)
            torch.manual_seed(int(seed >> np.uint64(1)))

    def own(self, index: Tensor, weight: Tensor | None = None) -> Tensor:
        """The part of a batch that is this process's to compute.

        Parameters
        ----------
        index : int64[b]
        weight : number[b] or None
            What each of them costs. The heaviest are dealt out first, to and fro, so that all parts end at
            about the same time.

        Returns
        -------
        int64[about b / size]
        """
        if self.size == 1:
            return index
        if weight is not None:
            index = index[weight.argsort(descending=True, stable=True)]
        place = torch.arange(len(index)) % (2 * self.size)
        return index[torch.minimum(place, 2 * self.size - 1 - place) == self.rank]

    def spread(self, model: nn.Module) -> nn.Module:
        """A model whose gradients are means over the processes after each backward pass."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model, forward_sync_buffers=False)

    def total(self, *numbers: float) -> list[float]:
        """Sums over all processes."""
        if self.size == 1:
            return list(numbers)
        both = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        distributed.all_reduce(both)
        return both.tolist()

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Makes each gradient the sum over all processes.

        Where no process has one, there is none: optimizers leave such parameters as they are.
        """
        if self.size == 1:
            return
        has = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=self.device)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        whole = torch.cat([has, *(g.flatten().float() for g in gradients)])
        distributed.all_reduce(whole)
        has, *parts = torch.split(whole, [len(has), *(g.numel() for g in gradients)])
        for there, part, parameter in zip(has.tolist(), parts, parameters, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype) if there else None


ALONE = Group()


def speaks() -> bool:
    """Whether this process is alone, or the one of its group that is to say how the training goes."""
    return os.environ.get("RANK", "0") == "0"


def bare(model: nn.Module) -> nn.Module:
    """The model that `Group.spread` was given."""
    return model.module if isinstance(model, DistributedDataParallel) else model
