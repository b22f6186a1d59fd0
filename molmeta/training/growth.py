"""How a trained learner takes in more assays: its tables grow, and what it knew is carried along."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from molmeta.atlas import Atlas
from molmeta.chem.batch import MolBatch
from molmeta.chem.features import compound_hash
from molmeta.chem.sketch import sketches
from molmeta.data.corpus import Corpus
from molmeta.errors import CheckpointError, InputError
from molmeta.heads.evidence.head import Evidence
from molmeta.learner import Learner
from molmeta.training.atlas import learn_atlas
from molmeta.training.data import Measurements, history
from molmeta.training.pretrain import Multitask
from molmeta.training.report import Added

# Compounds that the change of an embedding is fitted on, and as how many of them "no change" counts.
_SAMPLE, _PSEUDO = 20_000, 1.0


def count_assays(learner: Learner) -> int:
    """Number of assays that a learner was trained on; raises CheckpointError where it does not say."""
    found = learner.info.get("assays")
    if not isinstance(found, int) or found < 0:
        raise CheckpointError(
            f"the model {learner.name} does not say how many assays it was trained on (found {found!r}), so "
            "that more cannot be weighed against them; train it again with this version"
        )
    return found


def check_new(corpus: Corpus, atlas: Atlas | None) -> None:
    """Raises InputError where assays of a corpus are in an atlas already: they would count twice."""
    known = set(atlas.names) if atlas is not None else set()
    twice = [name for name in corpus.assays.index if name in known]
    if twice:
        raise InputError(
            f"{len(twice)} of the new assays are in the model already, '{twice[0]}' among them; leave them "
            "out, or start from the model before they were added"
        )


def list_added(corpus: Corpus, before: Learner) -> list[Added]:
    """What the assays of a corpus add to what a learner knew."""
    known = before.knows(corpus.smiles).numpy()
    out = []
    for name, described in corpus.assays.iterrows():
        rows = corpus.rows(str(name))
        read = corpus.mol[rows] >= 0
        compounds = np.unique(corpus.mol[rows][read])
        out.append(
            Added(
                assay=str(name),
                # What `molmeta.data.collection.read_files` says of a file.
                rows=int(described.get("rows", len(read))),
                compounds=len(compounds),
                active=int(corpus.label[rows][read].sum()),
                values=bool(np.isfinite(corpus.value[rows][read]).any()),
                known=int(known[compounds].sum()),
            )
        )
    return out


def grow(learner: Learner, corpus: Corpus, known: int) -> None:
    """Extends the heads of a learner by the assays of a corpus; so far they hold `known` ones.

    What the embedding says of an assay comes from a linear probe (`molmeta.training.atlas`), so that it
    needs no stage A.
    """
    if not len(corpus):
        return
    outputs, labels = learn_atlas(learner, corpus).outputs, history(corpus, ())
    for name in learner.heads:
        learner.head(name).extend(outputs, labels, known)


def append(first: Atlas, second: Atlas) -> Atlas:
    """The assays of two atlases on the same embedding."""
    return Atlas(
        first.names + second.names,
        first.families + second.families,
        torch.cat([first.outputs, second.outputs]),
    )


def note_compounds(learner: Learner, corpus: Corpus, before: Learner | None) -> None:
    """Notes which compounds a learner has seen: those of a corpus, and of what it was before."""
    own = torch.tensor([compound_hash(text) for text in corpus.smiles], dtype=torch.long)
    learner.seen = torch.unique(own if before is None else torch.cat([before.seen, own]))
    counts = corpus.mols.counts
    known = before is None or len(before.sketches) or not len(before.seen)
    if counts is None or not known:
        learner.sketches = torch.zeros(0, dtype=torch.int32)  # rather none than a part of them
    else:
        new = sketches(counts)
        learner.sketches = torch.unique(new if before is None else torch.cat([before.sketches, new]))


@torch.no_grad()
def warm_start(model: Multitask, learner: Learner, corpus: Corpus, table: Measurements) -> None:
    """Gives the outputs of stage A what linear probes on the embedding say of their assays.

    Random ones would first of all disturb the encoder. Values start at the mean of their assay.

    Parameters
    ----------
    corpus : Corpus
        Its assays, in order, are the `table.n_assays` assays of the outputs.

    Source: Kumar et al. 2022, Fine-tuning can distort pretrained features (LP-FT).
    """
    embedding = learner.embed(corpus.mols).need("embedding").cpu()
    outputs = learn_atlas(learner, corpus).outputs / embedding.norm(dim=1).mean()
    owner = torch.repeat_interleave(table.compound, table.ptr.diff())
    logit = (embedding[owner] * outputs[table.assay]).sum(1)
    n = torch.bincount(table.assay, minlength=table.n_assays).clamp(min=1)
    active, total = (torch.bincount(table.assay, x.double(), table.n_assays) for x in (table.label, logit))
    odds = (active + 0.5) / (n - active + 0.5)
    model.label_bias.weight.copy_((odds.log() - total / n)[:, None])
    model.label.weight.copy_(outputs)
    model.value.weight.zero_()


@torch.no_grad()
def turn(before: Learner, after: Learner, mols: MolBatch) -> Tensor:
    """Matrix T float32[dim, dim] that turns directions of one encoder into those of another.

    u_before @ o is about u_after @ (T @ o), up to a constant, on the unit embeddings u of the compounds: by
    least squares, in which "nothing has changed" counts as much as one compound.
    """
    some = mols.select(torch.arange(0, len(mols), max(1, math.ceil(len(mols) / _SAMPLE))))
    old, new = (normalize(one.embed(some).need("embedding").cpu().double()) for one in (before, after))
    old, new = old - old.mean(0), new - new.mean(0)
    prior = _PSEUDO * torch.eye(new.shape[1], dtype=new.dtype)
    turned: Tensor = torch.linalg.solve(new.T @ new + prior, new.T @ old + prior)
    return turned.float()


def carry(learner: Learner, turned: Tensor) -> None:
    """Turns the prior means of a learner's heads to an embedding that has changed (see `turn`)."""
    for name in learner.heads:
        head = learner.head(name)
        if isinstance(head, Evidence) and len(mean := head.get_buffer("prior_mean")) == len(turned):
            head.expect(2 * turned.to(mean) @ mean)
