"""Search of hyper-parameters and architectures: trials are training runs in a resumable Optuna study."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molmeta.configuration import nearest
from molmeta.errors import ConfigError
from molmeta.files import write_whole
from molmeta.training.attempt import OBJECTIVES, Attempt, folder_of
from molmeta.training.folder import alone, refuse_foreign
from molmeta.training.journal import LOG
from molmeta.training.report import Diverged, Progress
from molmeta.training.space import read_space
from molmeta.training.study import STUDY, Settings, TrialState, next_trial, open_study, optuna

_ENOUGH = 5  # complete trials of which it can be said at all which keys matter
_KEPT = {LOG, "metrics.json", "train.toml"}  # of a trial that is not the best


@dataclass(frozen=True)
class Trial:
    """A trial: its number, "complete", "pruned", "fail" or "running", values by objective, values by path."""

    number: int
    state: str
    values: dict[str, float]
    params: dict[str, Any]
    reason: str | None = None


@dataclass(frozen=True)
class SearchReport:
    """Result of a search.

    Attributes
    ----------
    folder : Path
        With best.toml, which `molmeta train` takes.
    best : Trial
        The most accurate one.
    front : tuple of Trial
        Those that no other one beats in all objectives.
    trials : tuple of Trial
        All, by number.
    importance : dict of str to float
        Share of each path in what sets good trials apart from the others (PED-ANOVA, Watanabe et al. 2023);
        empty, where fewer than 5 are complete or all came out alike.
    seconds : float
        Of this call.
    """

    folder: Path
    best: Trial
    front: tuple[Trial, ...]
    trials: tuple[Trial, ...]
    importance: dict[str, float]
    seconds: float


def search(
    config_path: Path,
    out: Path,
    *,
    data: Path = Path(),
    trials: int = 20,
    settings: Settings | None = None,
    timeout: float | None = None,
    device: str = "auto",
    progress: Callable[[int, Progress], None] = lambda number, now: None,
) -> SearchReport:
    """Searches the space of a configuration until `trials` trials have ended, or goes on with that.

    Parameters
    ----------
    config_path : Path
        TOML file of a training with a section [search] (`molmeta.training.space`).
    out : Path
        Folder of the study; each trial is a run in `out`/trials.
    data : Path
        Folder to which the paths of the configuration are relative.
    trials : int
        Complete, pruned and failed ones all count; one that was killed goes on where it was.
    settings : Settings
        Sampler, pruner, objectives and seed.
    timeout : float or None
        Seconds after which no new trial is begun.
    device : str
        As for `molmeta.training.train`.
    progress : callable
        Called with the number of the trial and what it is at.

    Raises
    ------
    ConfigError
        The configuration, its space or the settings do not fit, or are others than those of the study.
    RefusedError
        Another process works on this study.
    Diverged
        Not one trial came to its end.
    """
    settings = settings or Settings()
    for name in settings.objectives:
        if name not in OBJECTIVES:
            raise ConfigError(f"unknown objective '{name}'; {nearest(name, OBJECTIVES)}")
    if settings.objectives[:1] != ("accuracy",):
        raise ConfigError(f"the first objective must be accuracy, found {', '.join(settings.objectives)}")
    space = read_space(config_path)
    started = time.monotonic()
    with alone(out):
        refuse_foreign(out, STUDY, ("trials",))
        dimensions = {path: dimension.model_dump(mode="json") for path, dimension in space.dimensions.items()}
        directions = [OBJECTIVES[name].direction for name in settings.objectives]
        searched = {"configuration": space.content, "search": dimensions}
        study = open_study(out, settings, searched, directions, trials)
        while True:
            _tidy(study, out)
            more = timeout is None or time.monotonic() - started < timeout
            trial = next_trial(study, settings, trials, more)
            if trial is None:
                break
            Attempt(study, trial, space, settings, out).go(data, device, progress)
        return _report(study, settings, out, time.monotonic() - started)


def _complete(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Complete trials, the most accurate first."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: -trial.values[0])


def _front(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The best trial; with several objectives, all that no other one beats."""
    return _complete(study)[:1] if len(study.directions) == 1 else study.best_trials


def _tidy(study: optuna.Study, out: Path) -> None:
    """Writes best.toml, and deletes all but logs and scores of trials that are not the best."""
    kept = {trial.number for trial in _front(study)}
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished() and trial.number not in kept:
            for file in folder_of(out, trial.number).glob("*"):
                if file.name not in _KEPT:
                    shutil.rmtree(file) if file.is_dir() else file.unlink()
    if best := _complete(study)[:1]:
        config = folder_of(out, best[0].number).with_suffix(".toml").read_text(encoding="utf-8")
        header = (
            f"# Trial {best[0].number} of this study: delta AUPRC {best[0].values[0]:.4f} in validation.\n"
        )
        write_whole(out / "best.toml", (header + config).encode())


def _report(study: optuna.Study, settings: Settings, out: Path, seconds: float) -> SearchReport:
    trials = tuple(_row(trial, settings) for trial in study.get_trials(deepcopy=False))
    complete = _complete(study)
    if not complete:
        reasons = sorted({trial.reason for trial in trials if trial.reason})
        raise Diverged(
            f"none of {len(trials)} trials came to its end ({'; '.join(reasons) or 'there was no time'}); "
            "narrow [search], or give more --trials or --timeout"
        )
    by_number = {trial.number: trial for trial in trials}
    front = tuple(by_number[trial.number] for trial in _front(study))
    best = by_number[complete[0].number]
    return SearchReport(out, best, front, trials, _importance(study, complete), seconds)


def _importance(study: optuna.Study, complete: list[optuna.trial.FrozenTrial]) -> dict[str, float]:
    if len(complete) < _ENOUGH or len({tuple(trial.values) for trial in complete}) == 1:
        return {}
    with warnings.catch_warnings():
        # Of a key that few trials had, as its head was not theirs, nothing can be said: it counts as equal.
        warnings.filterwarnings("ignore", "Target and region quantiles", UserWarning)
        return optuna.importance.get_param_importances(study)


def _row(trial: optuna.trial.FrozenTrial, settings: Settings) -> Trial:
    values = dict(zip(settings.objectives, trial.values or (), strict=False))
    return Trial(trial.number, trial.state.name.lower(), values, trial.params, trial.user_attrs.get("reason"))
