"""What pyproject.toml lists is what the folders hold, and a built wheel has all of it and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
TOP = ("molmeta", "cli", "assays", "models")


def source_files() -> list[PurePosixPath]:
    """Files of the checkout that git tracks or would track; without git, those that a wheel is made of."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = done.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        found = [*ROOT.glob("*"), *(file for top in TOP for file in (ROOT / top).rglob("*"))]
        names = [file.relative_to(ROOT).as_posix() for file in found if "__pycache__" not in file.parts]
    return [PurePosixPath(name) for name in names if (ROOT / name).is_file()]


def folder_of(package: str) -> PurePosixPath:
    """Source folder of a package, by the longest match in package-dir, as setuptools resolves it."""
    mapping = SETUPTOOLS["package-dir"]
    parts = package.split(".")
    for n in range(len(parts), 0, -1):
        if (head := ".".join(parts[:n])) in mapping:
            return PurePosixPath(mapping[head], *parts[n:])
    return PurePosixPath(*parts)


FOLDERS = {folder_of(package): package for package in SETUPTOOLS["packages"]}


def package_of(file: PurePosixPath) -> str:
    """Package that a file belongs to: that of the nearest folder above it that is one."""
    return next(FOLDERS[folder] for folder in file.parents if folder in FOLDERS)


def data_files() -> list[PurePosixPath]:
    return [file for file in source_files() if file.parts[0] in TOP and file.suffix != ".py"]


def in_wheel(file: PurePosixPath) -> str:
    """Name in the wheel of a source file."""
    package = package_of(file)
    return PurePosixPath(*package.split("."), file.relative_to(folder_of(package))).as_posix()


def test_packages_are_the_folders_with_an_init():
    folders = {file.parent for file in source_files() if file.name == "__init__.py" and file.parts[0] in TOP}
    assert folders == set(FOLDERS)
    assert len(FOLDERS) == len(SETUPTOOLS["packages"])


def test_every_module_is_in_a_package():
    stray = [f for f in source_files() if f.suffix == ".py" and f.parts[0] in TOP and f.parent not in FOLDERS]
    assert not stray


def test_every_data_file_matches_a_glob():
    packed = {
        file.relative_to(ROOT).as_posix()
        for package, globs in SETUPTOOLS["package-data"].items()
        for glob in globs
        for file in (ROOT / folder_of(package)).glob(glob)
    }
    assert not {file.as_posix() for file in data_files()} - packed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built without network from a copy of the sources."""
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("building needs setuptools >= 77 in this environment; isolation would need the network")
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for file in source_files():
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, tree / file)
    # The build backend itself, as pip calls it: pip would want the network for its isolated environment.
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", build, str(out)], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_every_source_and_data_file(wheel: Path):
    sources = [f for f in source_files() if f.suffix == ".py" and f.parts[0] in TOP]
    wanted = {in_wheel(file) for file in (*sources, *data_files())}
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert wanted == {name for name in held if ".dist-info/" not in name}


def test_wheel_leaves_one_name_in_site_packages(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"molmeta"}


def test_assays_are_found_in_the_unpacked_wheel(wheel: Path, tmp_path: Path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    ask = "from molmeta import assays as a; [print(a.path(name)) for name in (*a.available(), 'drugs')]"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [Path(line) for line in done.stdout.splitlines()]
    assert len(found) == 4
    for file in found:
        assert file.is_relative_to(tmp_path)
        assert file.read_bytes() == (ROOT / "assays" / file.name).read_bytes()
