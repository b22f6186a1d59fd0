"""The Optuna study of a search: how it is sampled and pruned, and how it goes on after a kill.

Nothing random is kept in memory: the sampler of each trial is made anew, seeded by the study's seed and the
number of the trial. What a trial is given then depends on nothing but the finished trials before it, and a
study that was killed goes on as if it had not been.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from molmeta.errors import ConfigError
from molmeta.training.config import nearest

try:
    import cmaes  # noqa: F401  (Optuna would miss it in the middle of a study)
    import optuna
    import sqlalchemy
    from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
    from optuna.samplers import BaseSampler, CmaEsSampler, NSGAIISampler, TPESampler
    from optuna.trial import TrialState
except ModuleNotFoundError as error:
    raise ConfigError(
        f"searching hyper-parameters needs {error.name}, which is not installed; "
        "install it with: pip install 'molmeta[train]'"
    ) from error

# Modules that need Optuna take it from here, so that the message above is what a user without it sees.
__all__ = [
    "PRUNERS",
    "SAMPLERS",
    "STUDY",
    "Direction",
    "Settings",
    "TrialState",
    "next_trial",
    "open_study",
    "optuna",
]

Direction = Literal["maximize", "minimize"]
_NAME, _SETTINGS, _POPULATION = "molmeta", "settings", "population"
STUDY = "study.db"
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def _tpe(seed: int, population: int) -> BaseSampler:
    return TPESampler(seed=seed)


def _nsga2(seed: int, population: int) -> BaseSampler:
    return NSGAIISampler(population_size=population, seed=seed)


def _cmaes(seed: int, population: int) -> BaseSampler:
    # CMA-ES knows numbers only; choices among names are left to TPE.
    return CmaEsSampler(seed=seed, independent_sampler=TPESampler(seed=seed), warn_independent_sampling=False)


SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {"tpe": _tpe, "nsga2": _nsga2, "cmaes": _cmaes}
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    # Worse than half of the others at the same look; from the fifth trial and the second look on, as the
    # first one is taken before anything was learned where stage A is left out.
    "median": lambda: MedianPruner(n_startup_trials=4, n_warmup_steps=1),
    "halving": SuccessiveHalvingPruner,
    "none": NopPruner,
}


@dataclass(frozen=True)
class Settings:
    """How a space is searched; the same as long as a study lives.

    Attributes
    ----------
    sampler, pruner : str
        Names in `SAMPLERS` and `PRUNERS`.
    objectives : tuple of str
        Names in `molmeta.training.search.OBJECTIVES`.
    seed : int
        Of the samplers; the trainings have that of their configuration.
    """

    sampler: str = "tpe"
    pruner: str = "median"
    objectives: tuple[str, ...] = ("accuracy",)
    seed: int = 0


def open_study(
    folder: Path, settings: Settings, searched: dict[str, Any], directions: Sequence[Direction], trials: int
) -> optuna.Study:
    """The study in `folder`/study.db, which is made if there is none.

    Parameters
    ----------
    folder : Path
        Of the study.
    settings : Settings
        How it is searched.
    searched : dict
        The configuration and the dimensions of the space, as JSON.
    directions : sequence of str
        Of each objective.
    trials : int
        How many are planned, from which the population of NSGA-II follows.

    Raises
    ------
    ConfigError
        A name in the settings is not known or does not fit, or the study was started with other settings.
    """
    for name, kind, known in (
        (settings.sampler, "sampler", SAMPLERS),
        (settings.pruner, "pruner", PRUNERS),
    ):
        if name not in known:
            raise ConfigError(f"unknown {kind} '{name}'; {nearest(name, known)}")
    if settings.sampler == "cmaes" and len(directions) > 1:
        raise ConfigError(f"cmaes has one objective, found {len(directions)}; give nsga2 or tpe")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A folder may be called anything, "?" and "%" included.
    url = sqlalchemy.URL.create("sqlite", database=str((folder / STUDY).resolve()))
    storage = optuna.storages.RDBStorage(url.render_as_string())
    study = optuna.create_study(
        storage=storage,
        study_name=_NAME,
        directions=directions,
        load_if_exists=True,
        pruner=PRUNERS[settings.pruner](),
    )
    wanted = json.loads(json.dumps({**asdict(settings), **searched}))
    found = study.user_attrs.get(_SETTINGS)
    if found is None:
        # Generations small enough for several of them; Optuna's 50 would be one random generation.
        study.set_user_attr(_POPULATION, min(50, max(4, trials // 5)))
        study.set_user_attr(_SETTINGS, wanted)
    elif other := [key for key in wanted if found.get(key) != wanted[key]]:
        raise ConfigError(
            f"the study in {folder} was started with {other[0]} = {found.get(other[0])!r}, found "
            f"{wanted[other[0]]!r}; give the same, or another folder"
        )
    return study


def next_trial(study: optuna.Study, settings: Settings, trials: int, more: bool) -> optuna.Trial | None:
    """The trial that a dead process left behind, else a new one as long as fewer than `trials` have ended.

    Nobody else works on the study, so that whatever is still running was left by a process that died.
    With `more` false no new one is begun.
    """
    known = study.get_trials(deepcopy=False)
    left = [trial for trial in known if trial.state == TrialState.RUNNING]
    number = left[0].number if left else len(known)
    seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    study.sampler = SAMPLERS[settings.sampler](seed, study.user_attrs[_POPULATION])
    if left:
        return optuna.Trial(study, left[0]._trial_id)
    ended = sum(trial.state in _ENDED for trial in known)
    return study.ask() if more and ended < trials else None
