"""The configuration of a continued meta-training: a trained model, and assays to add to it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from molmeta.checkpoint import load_checkpoint
from molmeta.configuration import Positive, Section, Share, parse_as, read_toml
from molmeta.errors import ConfigError
from molmeta.training.config import Data, Episodic, Pretrain, TrainConfig


class Source(Section):
    """Assays; nothing, if `data` is empty. The path is relative to the data folder."""

    data: str = ""
    roles: tuple[str, ...] = ()


class Replay(Source):
    """Old training assays, to be learned again beside the new ones.

    share : of the compounds of each batch, and of the episodes, that are drawn from them.
    """

    share: Share = 0.0


class NewData(Data):
    """The new assays (by default: one a file, in the data folder itself) and the old validation assays.

    valid : old validation assays, on which forgetting is measured; empty: it is not measured.
    reserve : share of the new assays that stage A does not see, and that the tables of the heads take only
        in the end, so that stage B can learn from them.
    """

    train: str = "."
    valid: str = ""
    reserve: Share = 0.0


class Tuning(Pretrain):
    """Stage A with few epochs, at a low rate; with none, the encoder stays as it is."""

    epochs: int = Field(default=0, ge=0)
    rate: Positive = 1e-4
    warmup: int = Field(default=20, ge=0)


class Touch(Episodic):
    """Stage B; with no steps, what the heads have learned from episodes stays as it is."""

    steps: int = Field(default=0, ge=0)


class ContinualConfig(TrainConfig):
    """A continued meta-training.

    init : checkpoint (name or folder) to go on from. Its encoder and heads are taken over as they are, so
        `encoder` and `heads` can be left out.
    replay : old training assays, which need not be at hand if its share is 0.
    held_out : new assays that are not learned, to measure what the others bring.
    """

    init: str
    name: str = ""
    data: NewData = NewData()
    replay: Replay = Replay()
    held_out: Source = Source()
    encoder: dict[str, object] = Field(default_factory=dict)
    heads: dict[str, dict[str, object]] = Field(default_factory=dict)
    pretrain: Tuning = Tuning()
    episodic: Touch = Touch()

    @property
    def trains(self) -> bool:
        """Whether weights change; else only tables grow."""
        return bool(self.pretrain.epochs or self.episodic.steps)


def read_plan(path: Path | None, out: Path, init: str | None, replay: float | None) -> ContinualConfig:
    """A plan from a file (None: all defaults), in which `init` and the share of replay take precedence.

    The encoder and the heads are filled in from the checkpoint, and a missing name is that of `out`.

    Raises
    ------
    ConfigError
        A key or a value is not known, or parts of the plan do not fit together or to the checkpoint.
    CheckpointError
        There is no such checkpoint.
    """
    content = read_toml(path) if path is not None else {}
    if init is not None:
        content["init"] = init
    if replay is not None and isinstance(content.setdefault("replay", {}), dict):
        content["replay"]["share"] = replay
    content.setdefault("name", out.name)
    config = parse_as(ContinualConfig, content, str(path) if path is not None else "the command line")
    _check(config)
    return _filled(config)


def _check(config: ContinualConfig) -> None:
    share = config.replay.share
    if config.start is not None:
        raise ConfigError(
            f"start = '{config.start}' and init = '{config.init}' exclude each other; keep init"
        )
    if share and not config.trains:
        raise ConfigError(
            f"replay is {share:g}, but nothing is trained that could forget (pretrain.epochs and "
            "episodic.steps are 0); give --replay 0, or pretrain.epochs to fine-tune the encoder"
        )
    if share and not config.replay.data:
        raise ConfigError(
            f"replay is {share:g}, but the old training assays are not named; give data in [replay], or "
            "--replay 0"
        )
    if config.episodic.steps and not config.data.reserve:
        raise ConfigError(
            "episodic.steps needs new assays that the tables of the heads do not know yet; give a share of "
            "them as data.reserve, such as 0.2"
        )
    if not config.episodic.freeze_encoder:
        raise ConfigError(
            "episodic.freeze_encoder = false does not go with init; give pretrain.epochs to fine-tune the "
            "encoder"
        )


def _filled(config: ContinualConfig) -> ContinualConfig:
    spec = load_checkpoint(config.init).spec
    for name in ("encoder", "heads"):
        given = getattr(config, name)
        if given and given != spec[name]:
            raise ConfigError(
                f"{config.init} has {name} = {spec[name]}, the configuration {given}; leave out [{name}]"
            )
    if config.pretrain.epochs and spec["last_layers"]:
        raise ConfigError(
            f"heads of {config.init} have last layers of their own, which a fine-tuned encoder would leave "
            "behind; give pretrain.epochs = 0"
        )
    episodic = config.episodic.model_copy(update={"last_layers": bool(spec["last_layers"])})
    return config.model_copy(
        update={"encoder": spec["encoder"], "heads": spec["heads"], "episodic": episodic}
    )
