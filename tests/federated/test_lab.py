"""Rounds of labs and their average, without a network between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import molmeta.assays
from molmeta.adaptation import adapt
from molmeta.checkpoint import load_atlas, load_checkpoint
from molmeta.errors import CheckpointError, ConfigError, InputError, NotEnoughData, RefusedError
from molmeta.federated import shared
from molmeta.federated.average import Average
from molmeta.federated.guard import length
from molmeta.federated.plan import last_round, phase_of, read_federated
from molmeta.training import train

from .conftest import go, make_lab, new_lab


@pytest.mark.parametrize("rounds", [2, 3, 7])  # of 4 epochs of 5 batches or so
def test_labs_with_the_same_assays_train_what_one_would(
    plan_file: Path, lab_folders: list[Path], tmp_path: Path, rounds: int
) -> None:
    config = read_federated(plan_file)
    plan = config.federated.model_copy(update={"rounds": rounds})
    config = config.model_copy(update={"federated": plan})
    average = Average(config, tmp_path / "server")
    labs = [new_lab(config, tmp_path / f"lab{i}", lab_folders[0]) for i in range(2)]
    go(average, labs)
    alone = plan_file.read_text(encoding="utf-8").split("[federated]")[0]
    (tmp_path / "alone.toml").write_text(alone, encoding="utf-8")
    train(tmp_path / "alone.toml", tmp_path / "alone", data=lab_folders[0], device="cpu")
    expected = load_checkpoint(tmp_path / "alone")
    found = average.learner.encoder.state_dict()
    for key, value in expected.encoder.state_dict().items():
        torch.testing.assert_close(found[key], value, rtol=2e-3, atol=1e-4)  # stored in half precision
    for ours, theirs in zip(shared.direction(average.learner), shared.direction(expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_labs_with_different_assays_leave_models(
    plan_file: Path, lab_folders: list[Path], tmp_path: Path
) -> None:
    config = read_federated(plan_file)
    average = Average(config, tmp_path / "server")
    labs = [new_lab(config, tmp_path / f"lab{i}", folder) for i, folder in enumerate(lab_folders)]
    before = average.values()
    go(average, labs)
    weights = [(new, old) for new, old in zip(average.values(), before, strict=True) if new.ndim == 2]
    assert weights
    assert all((new != old).any() for new, old in weights)
    average.leave()
    together = load_checkpoint(tmp_path / "server")
    # Nothing of any compound is in what is shared; each lab's own model has its own compounds.
    assert all(not len(together.state_dict()[name]) for name in together.tables)
    assert not len(together.seen)
    with pytest.raises(CheckpointError, match="no atlas"):
        load_atlas(tmp_path / "server")
    predictor = adapt(molmeta.assays.path("bbb"), model=tmp_path / "server", verdict=False)
    assert predictor.predict(["CCO", "c1ccccc1O"])["mm_score"].notna().all()
    for lab, folder in zip(labs, lab_folders, strict=True):
        lab.finish_with(average.values())
        own = load_checkpoint(lab.out)
        trunk, theirs = own.encoder.state_dict(), together.encoder.state_dict()
        assert all(torch.equal(trunk[key], theirs[key]) for key in trunk)
        assert set(load_atlas(lab.out).names) == {f"L{folder.name[-1]}A{i}" for i in range(6)}
        assert len(own.seen)


def test_what_travels_does_not_depend_on_the_assays(
    plan_file: Path, lab_folders: list[Path], tmp_path: Path
) -> None:
    config = read_federated(plan_file)
    average = Average(config, tmp_path / "server")
    lab = new_lab(config, tmp_path / "lab", lab_folders[0])
    shapes = [value.shape for value in average.values()]
    for number in range(1, last_round(config) + 1):
        update, _ = lab.round(number, average.values())
        phase = shared.changed(average.learner, phase_of(config, number))
        assert [part.shape for part in update] == [tuple(tensor.shape) for tensor in phase]
        average.take(update, 1, 0.0)
    assert [value.shape for value in average.values()] == shapes
    names = set(average.learner.state_dict())
    tables = lab.learner.tables
    assert tables
    assert tables <= names
    sizes = {id(t.untyped_storage()) for t in shared.whole(average.learner)}
    assert not sizes & {id(average.learner.state_dict()[name].untyped_storage()) for name in tables}


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_lab_and_a_server_that_were_stopped_go_on(
    plan_file: Path, lab_folders: list[Path], tmp_path: Path, stop: int
) -> None:
    config = read_federated(plan_file)
    results = []
    for kind in ("whole", "stopped"):
        average = Average(config, tmp_path / kind / "server")
        (tmp_path / kind).mkdir(exist_ok=True)
        labs = [new_lab(config, tmp_path / kind / f"lab{i}", lab_folders[i]) for i in range(2)]
        if kind == "stopped":
            go(average, labs, until=stop)
            average = Average(config, tmp_path / kind / "server", resume=True)
            assert average.round == stop
            labs = [
                new_lab(config, tmp_path / kind / f"lab{i}", lab_folders[i], resume=True) for i in range(2)
            ]
        go(average, labs)
        results.append(average.values())
    for whole, stopped in zip(*results, strict=True):
        np.testing.assert_array_equal(whole, stopped)


def test_what_does_not_fit_is_refused(plan_file: Path, lab_folders: list[Path], tmp_path: Path) -> None:
    config = read_federated(plan_file)
    average = Average(config, tmp_path / "server")
    lab = new_lab(config, tmp_path / "lab", lab_folders[0])
    with pytest.raises(InputError, match="has learned none of its assays"):
        lab.round(3, average.values())
    with pytest.raises(InputError, match="of other shapes"):
        lab.round(1, average.values()[:-1])
    broken = average.values()
    broken[0] = broken[0] * np.nan
    with pytest.raises(InputError, match="not finite"):
        lab.round(1, broken)
    go(average, [lab], until=1)
    with pytest.raises(RefusedError, match="--resume"):
        Average(config, tmp_path / "server")
    other = config.model_copy(update={"seed": 4})
    with pytest.raises(ConfigError, match="another configuration"):
        Average(other, tmp_path / "server", resume=True)


def test_labs_weigh_the_same_under_noise_and_by_measurements_without(
    plan_file: Path, lab_folders: list[Path], tmp_path: Path
) -> None:
    config = read_federated(plan_file)
    values = Average(config, tmp_path / "server").values()
    _, weight = new_lab(config, tmp_path / "by size", lab_folders[0]).round(1, values)
    assert weight == 40 * 3  # measurements of the assays that are not reserved
    private = {"clip": 0.5, "prior_clip": 0.5, "noise": 1.0, "least": 3}
    noisy = config.model_copy(update={"federated": config.federated.model_copy(update=private)})
    update, weight = new_lab(noisy, tmp_path / "noisy", lab_folders[0]).round(1, values)
    assert weight == config.federated.most
    numbers = sum(part.size for part in update)
    assert length(update) == pytest.approx(0.5 / 3**0.5 * numbers**0.5, rel=0.02)


def test_a_lab_with_too_little_hears_it_before_any_training(plan_file: Path, tmp_path: Path) -> None:
    config = read_federated(plan_file)
    folder = make_lab(tmp_path / "data", 7)
    few = config.model_copy(
        update={"episodic": config.episodic.model_copy(update={"k_min": 100, "k_max": 200})}
    )
    with pytest.raises(NotEnoughData, match="training assays"):
        new_lab(few, tmp_path / "lab", folder)
