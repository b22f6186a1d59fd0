"""One trial of a search: a training run that can be pruned, fail, or go on after a kill."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from molmeta.checkpoint import WEIGHTS
from molmeta.errors import ResourceError
from molmeta.files import write_whole
from molmeta.toml import to_toml
from molmeta.training.journal import LOG, STATE
from molmeta.training.report import Diverged, Progress, TrainReport
from molmeta.training.run import train
from molmeta.training.space import Space
from molmeta.training.study import Direction, Settings, TrialState, optuna

_DEATHS = 3  # a trial that ends the process as often, with no state saved in between, is given up


@dataclass(frozen=True)
class Objective:
    """What trials are compared by, and whether more of it is better."""

    direction: Direction
    measure: Callable[[TrainReport], float]


def _accuracy(report: TrainReport) -> float:
    return next(iter(report.validation.values())).delta_auprc


def _size(report: TrainReport) -> float:
    return float((report.folder / WEIGHTS).stat().st_size)


OBJECTIVES = {
    # Delta AUPRC of the default head on the validation assays, mean over the support sizes.
    "accuracy": Objective("maximize", _accuracy),
    # Bytes of the weights, which is what an adapted model costs on disk and about what it costs in time.
    "size": Objective("minimize", _size),
}


def folder_of(out: Path, number: int) -> Path:
    return out / "trials" / f"{number:04d}"


@dataclass(frozen=True)
class Attempt:
    """One trial on its way."""

    study: optuna.Study
    trial: optuna.Trial
    space: Space
    settings: Settings
    out: Path

    @property
    def folder(self) -> Path:
        return folder_of(self.out, self.trial.number)

    def go(self, data: Path, device: str, progress: Callable[[int, Progress], None]) -> None:
        """Trains, or goes on training, and tells the study what came of it."""
        content = self.space.apply(self.space.suggest(self.trial))
        key = f"{next(iter(content['heads']))}/delta_auprc"
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder.with_suffix(".toml")
        write_whole(config, to_toml(content).encode())
        state = self.folder / STATE
        saved = state.stat().st_mtime_ns if state.exists() else 0
        before = self.trial.user_attrs.get("deaths", [0, 0])
        deaths = before[0] if before[1] == saved else 0
        if deaths >= _DEATHS:
            return self.fail(f"it ended the process {deaths} times before it saved a state")
        self.trial.set_user_attr("deaths", [deaths + 1, saved])  # unless this comes to an orderly end

        def watch(now: Progress) -> None:
            progress(self.trial.number, now)
            if key in now.validation and len(self.settings.objectives) == 1:
                self.look(now.validation[key])

        try:
            report = train(
                config,
                self.folder,
                data=data,
                resume=True,
                device=device,
                progress=watch,
                cache=self.out / "cache",
            )
        except optuna.TrialPruned:
            self.study.tell(self.trial, state=TrialState.PRUNED)
        except (Diverged, ResourceError, torch.OutOfMemoryError) as error:
            # What to do about it, after the semicolon, is for those who train one run.
            self.fail(str(error).splitlines()[0].split(";")[0])
        except BaseException:
            self.trial.set_user_attr("deaths", [deaths, saved])
            raise
        else:
            values = [OBJECTIVES[name].measure(report) for name in self.settings.objectives]
            if not all(map(math.isfinite, values)):
                return self.fail(f"its values are not finite: {values}")
            self.study.tell(self.trial, values)
        return None

    def look(self, value: float) -> None:
        """Reports a look at the validation assays, and ends the trial where it is not worth going on."""
        # The log holds the looks before this one, also those before a kill: what it lost was cut off.
        log = self.folder / LOG
        number = log.read_bytes().count(b'/delta_auprc": ') if log.exists() else 0
        known = self.study.get_trials(deepcopy=False)[self.trial.number].intermediate_values
        if number not in known:
            self.trial.report(value, number)
        if self.trial.should_prune():
            raise optuna.TrialPruned

    def fail(self, reason: str) -> None:
        self.trial.set_user_attr("reason", reason)
        self.study.tell(self.trial, state=TrialState.FAIL)
