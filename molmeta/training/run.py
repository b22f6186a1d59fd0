"""`train`: runs the stages of a configuration, survives a kill, and leaves a checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from molmeta.configuration import read_toml
from molmeta.errors import ConfigError, RefusedError
from molmeta.files import write_whole
from molmeta.heads import HEADS
from molmeta.toml import to_toml
from molmeta.training.board import Board
from molmeta.training.config import TrainConfig, read_config
from molmeta.training.continual import ContinualRun
from molmeta.training.group import Group
from molmeta.training.journal import LOG, STATE
from molmeta.training.picture import PICTURE, draw_training
from molmeta.training.plan import ContinualConfig, read_plan
from molmeta.training.report import Progress, TrainReport, read_log
from molmeta.training.stages import Run


def train(
    config_path: Path | None,
    out: Path,
    *,
    init: str | None = None,
    replay: float | None = None,
    data: Path = Path(),
    resume: bool = False,
    device: str = "auto",
    seed: int | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    cache: Path | None = None,
    tensorboard: bool = False,
) -> TrainReport:
    """Meta-trains a learner as a configuration says.

    Parameters
    ----------
    config_path : Path or None
        TOML file: `molmeta.training.config.TrainConfig` or, with `init` given here or there,
        `molmeta.training.plan.ContinualConfig`, all of which has defaults.
    out : Path
        Folder of the run: state, log and, in the end, the checkpoint.
    init : str or None
        Checkpoint, by name or folder, that takes in more assays; in place of the configuration's.
    replay : float or None
        Share of old assays in what is trained then; in place of the configuration's.
    data : Path
        Folder to which the paths of the configuration are relative.
    resume : bool
        Go on from the state in `out`; the result is the same as that of a run that was not stopped.
    device : str
        "auto", "cpu", "cuda", "cuda:1"; a GPU for each process where torchrun has started several.
    seed : int or None
        In place of the configuration's.
    progress : callable
        Called about once a second with the latest `Progress`.
    cache : Path or None
        Folder of the features of the compounds; runs that read the same data can share one. By default
        it is in `out`.
    tensorboard : bool
        Also write what is logged for TensorBoard, to the folder `tensorboard` in `out`.

    Raises
    ------
    ConfigError
        The configuration does not fit, or `resume` finds a state of another configuration; TensorBoard is
        wanted, and not installed.
    RefusedError
        `out` already holds a run and `resume` is not given.
    """
    group = Group.of_environment(device)
    config = _read(config_path, out, init, replay)
    if seed is not None:
        config = config.model_copy(update={"seed": seed})
    if config.episodic.steps or not isinstance(config, ContinualConfig):
        check_heads(config)
    resume = resume or group.restarts > 0
    there = any((out / name).exists() for name in (STATE, LOG, "config.json"))
    if group.first and there and not resume:
        raise RefusedError(f"{out} already holds a run; give --resume to go on with it, or another folder")
    if config.pretrain.batch_size < group.size:
        raise ConfigError(
            f"pretrain.batch_size is {config.pretrain.batch_size}, less than one compound for each of the "
            f"{group.size} processes; start fewer, or give larger batches"
        )
    out.mkdir(parents=True, exist_ok=True)
    kind = ContinualRun if isinstance(config, ContinualConfig) else Run
    with group.joined():
        run = kind(config, out, group, progress)
        if resume:
            run.restore()
        if tensorboard and group.first:
            run.board = Board(out, read_log(out / LOG))
        with group.first_before_others():
            run.read(data, cache or out / "cache")
        report = run.go()
    if not group.first:
        return report
    if run.board is not None:
        run.board.close()
    lines = read_log(out / LOG)
    if lines and find_spec("matplotlib") is not None:
        write_whole(out / PICTURE, draw_training(lines))
    if config_path is not None and not isinstance(config, ContinualConfig):
        shutil.copyfile(config_path, out / "train.toml")
    else:  # with what was given beside the file
        write_whole(out / "train.toml", to_toml(config.model_dump(exclude_none=True)).encode())
    return report


def _read(
    path: Path | None, out: Path, init: str | None, replay: float | None
) -> TrainConfig | ContinualConfig:
    """A configuration, or the plan of a continued training where a checkpoint to go on from is named."""
    if init is not None or (path is not None and "init" in read_toml(path)):
        return read_plan(path, out, init, replay)
    if path is None:
        raise ConfigError(
            "there is nothing to train; give CONFIG.toml, or --init MODEL and --data FOLDER to add assays to "
            "a model"
        )
    if replay is not None:
        raise ConfigError(f"replay is {replay:g}, but there is no model to go on from; give --init MODEL")
    return read_config(path)


def check_heads(config: TrainConfig) -> None:
    """Sees to it that the heads can be trained as the configuration says.

    Raises
    ------
    ConfigError
        Heads would have to share an encoder that one of them changes, or adapt one that is frozen.
    """
    if not config.episodic.freeze_encoder and len(config.heads) > 1:
        raise ConfigError("episodic.freeze_encoder = false needs exactly one head, as they share the encoder")
    if config.episodic.freeze_encoder and not config.episodic.last_layers:
        adapting = [name for name in config.heads if name in HEADS and HEADS[name].adapts_encoder]
        if adapting:
            raise ConfigError(
                f"head '{adapting[0]}' adapts the encoder, which is frozen; give episodic.last_layers = true "
                "(it adapts the last layer) or episodic.freeze_encoder = false (all of it)"
            )
