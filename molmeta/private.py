"""Models that keep fingerprints in place of structures.

What is gone: structures, names, the text of rows, and descriptors such as the molecular weight. What stays,
because the predictions are made of it: the counts of substructures, the embedding, labels, and a salted hash
of each structure, by which a compound that is scored is known to be a labelled one.

Nobody reads a structure in such a file, but fingerprints can be inverted, in part or, with small molecules,
in full; and whoever has a candidate structure can test whether it is in the file, and read its label. No
permutation or key could change that: a file that scores any compound without help tells, by that alone, how
similar each labelled compound is to it. See docs/how-to/private.md.

Sources: Le et al. 2020 (Neuraldecipher: structures from circular fingerprints).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from molmeta.adaptreport import AdaptReport
from molmeta.chem.batch import MolBatch, from_tensors, to_tensors
from molmeta.chem.fingerprint import COUNT_BITS
from molmeta.data.support import Support
from molmeta.doubts import Doubts
from molmeta.encoders.base import Network
from molmeta.ensemble import Ensemble
from molmeta.errors import CheckpointError, ConfigError, RefusedError
from molmeta.heads.evidence.lookup import Table
from molmeta.learner import Learner
from molmeta.stored import shown
from molmeta.wording import counted

NOTE = (
    "private: the file keeps fingerprints, labels and salted hashes of its compounds in place of structures "
    "and names; fingerprints can be inverted in part, and whoever has a structure can test whether it is "
    "among them, so share the file as you would share the structures"
)
# Warnings of which the words hold nothing but numbers of compounds.
_PLAIN_WARNINGS = ("low_evidence:", "single_scaffold:")
_SALT, _HASH = 16, 16  # bytes


@dataclass(frozen=True, eq=False)
class Hidden:
    """What a private model keeps of its n compounds.

    Attributes
    ----------
    mols : MolBatch
        As `Ensemble.prepare` leaves them, on the CPU, with nothing that the heads do not read. `identity` is
        that of the structure where the tables of the heads know it, and a salted one where they do not.
    salt : str
        Hexadecimal; another one for each support set, so that hashes of two files cannot be compared.
    hashes : tuple of str, length n
        Salted hashes of the canonical SMILES, hexadecimal.
    """

    mols: MolBatch
    salt: str
    hashes: tuple[str, ...]

    @property
    def places(self) -> HashedPlaces:
        """Position of each compound, by its structure."""
        return HashedPlaces(self.salt, {one: i for i, one in enumerate(self.hashes)})

    def tensors(self) -> dict[str, Tensor]:
        """What is stored of it as tensors."""
        return {name: value.contiguous() for name, value in to_tensors(self.mols).items()}


@dataclass(frozen=True)
class HashedPlaces(Mapping[str, int]):
    """Positions by canonical SMILES, of which only hashes are known.

    Attributes
    ----------
    salt : str
    found : dict of str to int
        By hash.
    """

    salt: str
    found: dict[str, int]

    def __getitem__(self, smiles: str) -> int:
        return self.found[hash_of(smiles, self.salt)]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[str]:
        """The hashes, as the structures are not known."""
        return iter(self.found)


def hash_of(smiles: str, salt: str) -> str:
    """Salted hash of a canonical SMILES, hexadecimal.

    >>> hash_of("CCO", "00") == hash_of("CCO", "01")
    False
    """
    return hashlib.blake2b(smiles.encode(), key=bytes.fromhex(salt), digest_size=_HASH).hexdigest()


def hide(
    ensemble: Ensemble, support: Support, report: AdaptReport, mols: MolBatch
) -> tuple[Support, AdaptReport, Hidden]:
    """Support set and report without structures and names, and what is kept in their place.

    Parameters
    ----------
    mols : MolBatch
        The compounds as `ensemble.prepare` leaves them.

    Raises
    ------
    ConfigError
        The model has no labelled compounds.
    RefusedError
        A head adapts the encoder, which needs more of a compound than can be kept.
    """
    if not len(support):
        raise ConfigError("a prior holds no labelled compounds, so there is nothing to keep private")
    kept = {name: value.cpu() for name, value in to_tensors(mols).items() if name in _kept(ensemble)}
    said = repr((sorted(support.smiles), support.values)).encode()
    salt = hashlib.blake2b(said, digest_size=_SALT).hexdigest()
    hashes = tuple(hash_of(smiles, salt) for smiles in support.smiles)
    if "identity" in kept:
        salted = torch.tensor(
            [int.from_bytes(bytes.fromhex(one)[:8], "little", signed=True) for one in hashes]
        )
        known = torch.isin(kept["identity"], _remembered(ensemble.learner))
        kept["identity"] = torch.where(known, kept["identity"], salted)
    n = len(support)
    bare = replace(support, smiles=("",) * n, ids=("",) * n)
    return bare, _blinded(report, support, bare), Hidden(from_tensors(n, kept), salt, hashes)


def read_hidden(
    found: Mapping[str, Tensor], state: object, support: Support, ensemble: Ensemble, path: object
) -> Hidden:
    """What a file keeps of the compounds of a support set.

    Parameters
    ----------
    found : mapping of str to Tensor
        As `Hidden.tensors`; nothing of it is believed.
    state : object
        {"salt": ..., "hashes": [...]}.
    path : object
        For messages.

    Raises
    ------
    CheckpointError
        Tensors are missing, or do not fit.
    """
    n, wanted = len(support), _kept(ensemble)
    shapes = {
        "counts": (torch.uint8, (n, COUNT_BITS)),
        "pairs": (torch.uint8, (n, COUNT_BITS)),
        "identity": (torch.int64, (n,)),
        "embedding": (torch.float32, (n, ensemble.learner.encoder.dim)),
        "hidden": (torch.float32, (n, _inputs(ensemble.learner))),
    }
    fits = all(shapes.get(name) == (value.dtype, tuple(value.shape)) for name, value in found.items())
    if found.keys() != wanted or not fits or not all(one.isfinite().all() for one in found.values()):
        raise CheckpointError(
            f"{path} is private, but what it keeps of its compounds ({shown(sorted(found))}) does not fit "
            "its heads; make it again"
        )
    parts = state if isinstance(state, dict) else {}
    salt, hashes = parts.get("salt"), parts.get("hashes")
    if not _hexadecimal(salt, _SALT) or not isinstance(hashes, list) or len(hashes) != n:
        raise CheckpointError(f"{path} is private, but has no hash for each of its compounds; make it again")
    if any(support.smiles) or not all(_hexadecimal(one, _HASH) for one in hashes):
        raise CheckpointError(f"{path} is private, but not all of its compounds are hashes; make it again")
    return Hidden(from_tensors(n, found), str(salt), tuple(hashes))


def _kept(ensemble: Ensemble) -> set[str]:
    """Fields of a batch that heads and domain read; raises RefusedError where it is all of them."""
    learner = ensemble.learner
    for name in ensemble.weights:
        if ensemble.reader(name) is learner.encoder:
            raise RefusedError(
                f"the head '{name}' adapts the encoder to the compounds, and needs their structures; "
                "make a private model with the default head"
            )
    heads = {need for name in ensemble.weights for need in learner.head(name).needs}
    own_layer = any(name in learner.last_layers for name in ensemble.weights)
    return {"counts", "embedding"} | heads | ({"hidden"} if own_layer else set())


def _inputs(learner: Learner) -> int:
    """Numbers that last layers of heads read."""
    encoder = learner.encoder
    return encoder.output.in_features if isinstance(encoder, Network) else 0


def _remembered(learner: Learner) -> Tensor:
    """Identities of the compounds of which the tables of the heads hold something; these are public."""
    tables = [module for module in learner.modules() if isinstance(module, Table)]
    keys = [dict(table.named_buffers(recurse=False)).get("key") for table in tables]
    return torch.cat([torch.zeros(0, dtype=torch.long), *(one.cpu() for one in keys if one is not None)])


def _blinded(report: AdaptReport, support: Support, bare: Support) -> AdaptReport:
    """The report with numbers and without words on single compounds."""
    names = dict(zip(bare.rows, bare.names(), strict=True))
    doubts = report.doubts
    if doubts is not None:
        named = tuple(replace(one, name=names.get(one.rows, "a compound"), smiles="") for one in doubts.named)
        doubts = Doubts(named, doubts.found, doubts.expected)
    warnings = tuple(one for one in report.warnings if one.startswith(_PLAIN_WARNINGS))
    left = len(report.warnings) - len(warnings)
    said = (f"private: {counted(left, 'warning')} about its rows are not kept",) if left else ()
    return replace(report, notes=(NOTE,), warnings=(*warnings, *said), doubts=doubts, change=None)


def _hexadecimal(text: object, size: int) -> bool:
    """Whether it is that many bytes in hexadecimal."""
    return isinstance(text, str) and len(text) == 2 * size and not set(text) - set("0123456789abcdef")
