"""`Learner`: an encoder with the heads that were trained on it; what a checkpoint holds."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from molmeta.chem.batch import MolBatch, concatenate
from molmeta.chem.features import compound_hash
from molmeta.conformity import Conformity
from molmeta.encoders import build_encoder
from molmeta.encoders.base import Encoder, Frozen, LastLayer, Network
from molmeta.errors import ConfigError
from molmeta.heads import build_head
from molmeta.heads.base import Head
from molmeta.heads.evidence.lookup import Table

if hasattr(os, "register_at_fork"):
    # OpenMP waits for ever for its threads in a process that is forked, where they are not.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class Learner(nn.Module):
    """An encoder and one or more heads that share it.

    Parameters
    ----------
    encoder : mapping
        {"name": ..., constructor arguments}.
    heads : mapping
        head name -> constructor arguments; the first is the default head.
    last_layers : collection of str
        Heads that have a last layer of the encoder of their own; they share its trunk.
    """

    def __init__(
        self,
        encoder: Mapping[str, Any],
        heads: Mapping[str, Mapping[str, Any]],
        last_layers: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "encoder": dict(encoder),
            "heads": {name: dict(arguments) for name, arguments in heads.items()},
            "last_layers": [name for name in heads if name in last_layers],
        }
        arguments = dict(encoder)
        self.encoder: Encoder = build_encoder(arguments.pop("name"), **arguments)
        for name, options in heads.items():
            if options.get("dim", self.encoder.dim) != self.encoder.dim:
                raise ConfigError(
                    f"head '{name}' has dim = {options['dim']}, but the encoder's vectors have "
                    f"{self.encoder.dim} numbers; give both the same"
                )
        self.heads = nn.ModuleDict({name: build_head(name, **arguments) for name, arguments in heads.items()})
        self.last_layers = nn.ModuleDict({name: self._last_layer() for name in self.spec["last_layers"]})
        self.name = "untrained"
        # What is known about the training (data, versions, scores); free-form JSON.
        self.info: dict[str, Any] = {}
        # Sorted hashes int64[m] of the compounds of meta-training (`molmeta.chem.features.compound_hash`).
        self.seen = torch.zeros(0, dtype=torch.long)
        # Their sorted sketches int32[k] (`molmeta.chem.sketch`); none where these are not known.
        self.sketches = torch.zeros(0, dtype=torch.int32)
        # What the default head's predictions of held-out compounds were like (`molmeta.calibration`).
        self.conformity = Conformity.unknown()

    @property
    def default_head(self) -> str:
        return next(iter(self.heads))

    def head(self, name: str | None = None) -> Head:
        """The head `name`, or the default one.

        Raises
        ------
        ConfigError
            The learner was not trained with such a head.
        """
        name = name or self.default_head
        if name not in self.heads:
            raise ConfigError(f"this model has no head '{name}'; it has {', '.join(self.heads)}")
        head = self.heads[name]
        assert isinstance(head, Head)
        return head

    def knows(self, smiles: Sequence[str]) -> Tensor:
        """bool[n]: whether each canonical SMILES was among the compounds of meta-training."""
        hashes = torch.tensor([compound_hash(text) for text in smiles], dtype=torch.long)
        return torch.isin(hashes, self.seen)

    @property
    def needs(self) -> frozenset[str]:
        """Features of a compound that the encoder and the heads read."""
        heads = (self.head(name).needs for name in self.heads)
        return frozenset(self.encoder.needs).union(*heads)

    @property
    def tables(self) -> frozenset[str]:
        """Names of the tensors in the state that have one row a compound, as many as were known."""
        return frozenset(
            f"{path}.{name}"
            for path, module in self.named_modules()
            if isinstance(module, Table)
            for name, _ in module.named_buffers(recurse=False)
        )

    def _last_layer(self) -> LastLayer:
        if not isinstance(self.encoder, Network):
            raise ConfigError(
                f"the encoder {type(self.encoder).__name__} has no last layer for heads to have their own of"
            )
        return LastLayer(self.encoder.output.in_features, self.encoder.dim)

    def reader(self, head: Head) -> Encoder:
        """The encoder to pass to a head for batches that went through `embed`.

        That is the head's own last layer if it has one; the encoder itself, which reads what `embed` took
        from the batch, if the head adapts that; and what reads the stored embedding for all others.
        """
        for name, layer in self.last_layers.items():
            if self.heads[name] is head:
                assert isinstance(layer, LastLayer)
                return layer
        return self.encoder if head.adapts_encoder else Frozen(self.encoder.dim)

    @torch.no_grad()
    def embed(self, mols: MolBatch, batch_size: int = 4096) -> MolBatch:
        """The batch with its embedding, computed once, and with what the heads read besides.

        The encoder works on its own device; the result stays where the batch is.
        """
        device = next(self.encoder.parameters()).device
        training = self.encoder.training
        self.encoder.eval()
        parts = []
        for part in torch.split(torch.arange(mols.n), batch_size) if mols.n else (torch.arange(0),):
            piece = mols if len(part) == mols.n else mols.select(part)
            embedding, hidden = self._read(piece.to(device))
            hidden = None if hidden is None else hidden.to(mols.device)
            embedding = embedding.to(mols.device)
            parts.append(replace(piece, embedding=embedding, hidden=hidden, graph=None, descriptors=None))
        self.encoder.train(training)
        return concatenate(parts)

    def _read(self, mols: MolBatch) -> tuple[Tensor, Tensor | None]:
        """The embedding and, where heads have last layers of their own, what these read."""
        if not self.last_layers:
            return self.encoder(mols), None
        assert isinstance(self.encoder, Network)
        hidden = self.encoder.trunk(mols).float()
        return self.encoder.output(hidden).float(), hidden
