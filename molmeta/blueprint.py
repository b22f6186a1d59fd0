"""A learner out of a config that others may have written, held against the header of a file of tensors.

A config may ask for a billion layers, or for a layer of a billion numbers. What it asks for is counted while
it is built, before it is allocated: no more tensors, and none larger, than the file has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from molmeta.chem.features import FIELDS
from molmeta.conformity import POINTS, Conformity
from molmeta.errors import CheckpointError
from molmeta.heads.evidence.lookup import Table
from molmeta.learner import Learner
from molmeta.stored import shown
from molmeta.tensorfile import Entry

SEEN, SKETCHES, CONFORMITY = "seen", "sketches", "conformity."
# Of any whole number, and of the items of any list, among the arguments of encoders and heads.
_MOST, _MOST_ITEMS = 2**16, 16
# What is built beside the tensors of the file: temporaries, and tensors that are not stored.
_MORE_CALLS, _MORE_NUMBERS = 1000, 2**20
_FACTORIES = frozenset({"empty", "zeros", "ones", "full", "eye", "rand", "randn", "arange"})
_FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
_NAMES = {
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
# Everything that constructors raise on arguments that nobody meant.
_UNBUILDABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def build(config: Mapping[str, Any], entries: Mapping[str, Entry], name: str) -> Learner:
    """An untrained learner for the tensors of a file, of which only the header was read.

    Parameters
    ----------
    config : mapping
        "encoder", "heads" and "last_layers", as in `Learner.spec`; nothing of it is believed.
    entries : mapping of str to Entry
        What the header of the file says.
    name : str
        Of the model, for messages.

    Raises
    ------
    CheckpointError
        This version knows no such encoder or head, or tensors are missing, of another shape or type, or
        not expected.
    """
    _check_arguments({key: config.get(key) for key in ("encoder", "heads", "last_layers")}, name)
    try:
        # The caller's random numbers are not for weights that go.
        with _Allowance(entries, name), torch.random.fork_rng(devices=[]):
            learner = Learner(config["encoder"], config["heads"], config.get("last_layers", ()))
    except _UNBUILDABLE as error:
        if isinstance(error, CheckpointError):
            raise
        said = f"no {error}" if isinstance(error, LookupError) else str(error)
        raise CheckpointError(f"{name}: this version of molmeta cannot build it ({shown(said)})") from error
    if not learner.heads:
        raise CheckpointError(f"{name}: its config names no head")
    if unknown := learner.needs - FIELDS.keys() - {"embedding", "hidden"}:
        raise CheckpointError(f"{name}: its config wants features that there are not: {_listed(unknown)}")
    _check_fits(learner, entries, name)
    return learner


def _check_fits(learner: Learner, entries: Mapping[str, Entry], name: str) -> None:
    """Holds the tensors of a file against those of a learner, by name, shape and type."""
    expected = learner.state_dict()
    own = {key for key in entries if key in (SEEN, SKETCHES) or key.startswith(CONFORMITY)}
    missing, extra = expected.keys() - entries.keys(), entries.keys() - expected.keys() - own
    if missing or extra:
        raise CheckpointError(
            f"{name}: tensors do not fit: missing {_listed(missing)}, unexpected {_listed(extra)}"
        )
    tables = learner.tables
    for key, value in expected.items():
        _check_entry(entries[key], tuple(value.shape), value.dtype, key, name, free=key in tables)
    _check_own({key: entries[key] for key in own}, name)


def check_tables(learner: Learner, name: str) -> None:
    """Raises CheckpointError where the rows of a table of single compounds contradict each other."""
    for path, module in learner.named_modules():
        fault = module.fault() if isinstance(module, Table) else None
        if fault:
            raise CheckpointError(f"{name}: the table {path} is damaged: {fault}; install the model again")


class _Allowance(TorchFunctionMode):
    """Lets this thread make tensors as long as they are no more, and none larger, than those of a file."""

    def __init__(self, entries: Mapping[str, Entry], name: str) -> None:
        super().__init__()
        self.name = name
        self.tensors = len(entries)
        self.calls = 8 * len(entries) + _MORE_CALLS
        self.numbers = sum(math.prod(entry.shape) for entry in entries.values()) + _MORE_NUMBERS

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _FACTORIES:
            self.calls -= 1
            if self.calls < 0 or _asked(func.__name__, args, kwargs) > self.numbers:
                raise CheckpointError(
                    f"{self.name}: its config asks for more, or larger, tensors than the {self.tensors} "
                    "of its file; install the model again"
                )
        return func(*args, **kwargs)


def _asked(factory: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """How many numbers a call like torch.zeros(2, 3) or torch.full((2, 3), 0.0) makes."""
    size = kwargs.get("size", args)
    if size and isinstance(size[0], (list, tuple)):
        size = size[0]
    numbers = [int(n) for n in size if isinstance(n, int)]
    if factory == "eye" and len(numbers) == 1:
        return numbers[0] ** 2
    return max(numbers, default=0) if factory == "arange" else math.prod(numbers)


def _check_arguments(value: Any, name: str, where: str = "") -> None:
    """Raises CheckpointError at a whole number, or a list, that no model has."""
    if type(value) is int and abs(value) > _MOST:
        raise CheckpointError(f"{name}: its config has {where} = {shown(value)}; at most {_MOST} makes sense")
    if isinstance(value, list) and len(value) > _MOST_ITEMS:
        raise CheckpointError(
            f"{name}: its config has {len(value)} items in {where}; at most {_MOST_ITEMS} make sense"
        )
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        _check_arguments(one, name, f"{where}.{shown(key)}".lstrip("."))


def _check_entry(
    entry: Entry, shape: tuple[int, ...], dtype: torch.dtype, key: str, name: str, *, free: bool
) -> None:
    first = 1 if free else 0  # how many compounds a table has, only the training knows
    alike = len(entry.shape) == len(shape) and entry.shape[first:] == shape[first:]
    wanted = _FLOATS if dtype.is_floating_point else {_NAMES.get(dtype, "")}
    if not alike or entry.dtype not in wanted:
        said = str(shape) if not free else f"rows of {shape[1:]}"
        raise CheckpointError(
            f"{name}: the tensor {key} is {entry.shape} of {entry.dtype}; wanted {said} of "
            f"{' or '.join(sorted(wanted))}"
        )


def _check_own(entries: Mapping[str, Entry], name: str) -> None:
    """What a learner knows beside its state: compounds of the training, and the conformity."""
    for key, dtype in ((SEEN, torch.int64), (SKETCHES, torch.int32)):
        if key in entries:
            _check_entry(entries[key], (0,), dtype, key, name, free=True)
    tables = {key.removeprefix(CONFORMITY): e for key, e in entries.items() if key.startswith(CONFORMITY)}
    if not tables:
        return
    rows = tables["size"].shape[:1] if "size" in tables else ()
    wanted = {k: rows if k == "size" else (*rows, POINTS) for k in Conformity.unknown().arrays()}
    if wanted != {k: e.shape for k, e in tables.items()} or not all(
        entry.dtype in _FLOATS for entry in tables.values()
    ):
        raise CheckpointError(f"{name}: the tables of its conformity do not fit; install the model again")


def _listed(names: Collection[str]) -> str:
    return f"[{', '.join(shown(name) for name in sorted(names)[:3])}]"
