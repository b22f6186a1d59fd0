"""The server's part in a federation: the average of what labs send, round by round."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from molmeta.checkpoint import CONFIG, save_checkpoint
from molmeta.errors import ConfigError, RefusedError
from molmeta.federated import shared
from molmeta.federated.guard import epsilon, length
from molmeta.federated.plan import FederatedConfig, digest, last_round, phase_of
from molmeta.federated.shared import Array
from molmeta.learner import Learner
from molmeta.training.state import read_state, write_state

STATE, LOG = "federation.safetensors", "federation.jsonl"


@dataclass(frozen=True)
class Line:
    """A round, as it is logged: the phase, answers, the Euclidean norm of the mean update, and bytes to and
    from all labs."""

    round: int
    phase: str
    labs: int
    length: float
    seconds: float
    bytes_out: int
    bytes_in: int


class Average:
    """The trunk and the prior of a federation, as they are after so many rounds.

    Parameters
    ----------
    config : FederatedConfig
    out : Path
        Folder of the state, of a log and, in the end, of the checkpoint.
    resume : bool
        Go on from the state there.

    Attributes
    ----------
    round : int
        Rounds that are done.
    told : bool
        Whether the labs were told that all rounds are done.
    problems : list of str
        What labs could not do after the last round.

    Raises
    ------
    RefusedError
        There is a state already, and `resume` is not given.
    ConfigError
        The state there is that of another configuration.
    """

    def __init__(self, config: FederatedConfig, out: Path, resume: bool = False) -> None:
        torch.manual_seed(config.seed)
        self.config, self.out, self.round, self.told = config, out, 0, False
        self.problems: list[str] = []
        self.learner = Learner(config.encoder, config.heads).eval()
        there = [name for name in (STATE, LOG, CONFIG) if (out / name).exists()]
        if there and not resume:
            raise RefusedError(f"{out} already has {there[0]}; give --resume to go on, or another folder")
        if (out / STATE).exists():
            tensors, counters = read_state(out / STATE)
            if counters["digest"] != digest(config):
                raise ConfigError(f"{out} was started with another configuration; give another folder")
            self.learner.load_state_dict(tensors)
            self.round, self.told = int(counters["round"]), bool(counters["told"])

    @property
    def done(self) -> bool:
        """Whether all rounds are."""
        return self.round >= last_round(self.config)

    def values(self) -> list[Array]:
        """All that is shared, as labs are to have it."""
        return shared.arrays(shared.whole(self.learner))

    def take(self, update: Sequence[Array], labs: int, seconds: float, sent: int = 0, got: int = 0) -> Line:
        """Ends a round.

        Parameters
        ----------
        update : sequence of float32 arrays
            Weighted mean of those of the labs.
        labs : int
            How many there were.
        seconds : float
        sent, got : int
            Bytes to and from all labs.

        Returns
        -------
        Line
            What is written to the log.

        Raises
        ------
        InputError
            The update does not fit the model, or is not finite.
        """
        phase = phase_of(self.config, self.round + 1)
        shared.add(shared.changed(self.learner, phase), update)
        self.round += 1
        self.save()
        line = Line(self.round, phase.value, labs, length(update), round(seconds, 1), sent, got)
        with (self.out / LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(line)) + "\n")
        return line

    def save(self) -> None:
        """Writes the state."""
        self.out.mkdir(parents=True, exist_ok=True)
        counters = {"round": self.round, "told": self.told, "digest": digest(self.config)}
        write_state(self.out / STATE, dict(self.learner.state_dict()), counters)

    def leave(self) -> None:
        """Writes the shared model: a trunk and a prior, with no table of compounds."""
        plan = self.config.federated
        self.learner.info = {
            "name": self.config.name,
            "federated": {
                "labs": plan.labs,
                "rounds": self.round,
                "secure": plan.secure,
                "clip": plan.clip,
                "noise": plan.noise,
                "epsilon": epsilon(self.config) if plan.noise else None,
            },
            "torch": torch.__version__,
        }
        save_checkpoint(self.out, self.learner)
