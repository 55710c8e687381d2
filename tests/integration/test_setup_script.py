"""What a machine lacks ends `make` with one sentence; what is installed is what the constraints say."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from trueup.clients.process import Completed, run

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "make", "mktemp", "rm", "sed", "tail", "head", "touch", "dirname")
CLOSED = "http://127.0.0.1:1/simple"
OLD_PYTHON = "#!/bin/sh\nexit 1\n"
NO_VENV = """\
#!/bin/sh
case "$*" in
    *venv*) echo "$0: No module named venv" >&2; exit 1 ;;
esac
"""


def machine(folder: Path, *programs: str, **scripts: str) -> str:
    """A PATH with these programs of ours, these scripts, and what every Unix has."""
    folder.mkdir()
    for name in (*TOOLS, *programs):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return str(folder)


async def ran(argv: list[str], path: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Completed:
    environment = {"PATH": path, "HOME": str(cwd), "LANG": "C.UTF-8"} | dict(env or {})
    return await run(argv, cwd=cwd, env=environment, timeout_seconds=120, output_bytes_max=1024 * 1024)


def the_sentence(done: Completed) -> str:
    words = done.stderr.decode()
    ours = [line for line in words.splitlines() if not line.startswith("make: ")]
    assert done.returncode != 0
    assert len(ours) == 1, words
    assert ours[0].startswith("trueup: ")
    return ours[0]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as `make` looks at before anything is installed."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", copy / "scripts")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.mark.parametrize("target", ["demo", "test", "check"])
async def test_without_a_python(tmp_path: Path, checkout: Path, target: str) -> None:
    done = await ran(["make", target], machine(tmp_path / "bin", "git"), checkout)
    assert the_sentence(done) == (
        "trueup: Python 3.11 or newer is needed and none is on PATH; install it and run make again."
    )


async def test_an_old_python_is_none_and_a_newer_one_beside_it_is_found(tmp_path: Path, checkout: Path) -> None:
    path = machine(tmp_path / "bin", "git", python3=OLD_PYTHON, python=OLD_PYTHON)
    assert "Python 3.11 or newer" in the_sentence(await ran(["make", "demo"], path, checkout))
    newer = tmp_path / "bin" / "python3.13"
    newer.write_text("#!/bin/sh\nexit 0\n")
    newer.chmod(0o755)
    done = await ran(["sh", "scripts/find-python"], path, checkout)
    assert done.stdout.decode().strip() == str(newer)


async def test_without_git(tmp_path: Path, checkout: Path) -> None:
    path = machine(tmp_path / "bin", python3=f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    sentence = the_sentence(await ran(["make", "demo"], path, checkout))
    assert sentence == "trueup: git is needed and is not on PATH; install it and run make again."


async def test_without_the_venv_module(tmp_path: Path, checkout: Path) -> None:
    path = machine(tmp_path / "bin", "git", python3=NO_VENV)
    sentence = the_sentence(await ran(["make", "demo"], path, checkout))
    assert "cannot make a virtual environment" in sentence
    assert "No module named venv" in sentence
    assert "install python3-venv" in sentence


async def test_without_a_package_index(tmp_path: Path, checkout: Path) -> None:
    path = machine(tmp_path / "bin", "git", python3=f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    env = {"PIP_INDEX_URL": CLOSED, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": "/dev/null"}
    sentence = the_sentence(await ran(["make", "demo"], path, checkout, env))
    assert "the Python packages could not be installed: No matching distribution found for" in sentence
    assert "see whether the package index can be reached (PIP_INDEX_URL names another)" in sentence


def test_what_is_installed_is_what_the_constraints_say() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    installed: dict[str, str] = {}
    named: set[str] = set()
    _need("trueup", {"dev"}, installed, named, set())
    del installed["trueup"]
    assert {name: pinned.get(name) for name in installed} == installed
    assert pinned.keys() <= named, "nobody needs what nobody names, on whatever Python"


def _need(
    name: str, extras: Iterable[str], installed: dict[str, str], named: set[str], done: set[tuple[str, str]]
) -> None:
    """Add what a distribution, with these extras, needs on this machine, and all that it names."""
    found = distribution(name)
    installed[canonicalize_name(name)] = found.version
    for extra in ("", *extras):
        if (canonicalize_name(name), extra) in done:
            continue
        done.add((canonicalize_name(name), extra))
        for text in found.requires or ():
            requirement = Requirement(text)
            is_of_extra = requirement.marker is not None and re.search(r"\bextra\b", str(requirement.marker))
            if bool(extra) != bool(is_of_extra):
                continue
            named.add(canonicalize_name(requirement.name))
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                _need(requirement.name, requirement.extras, installed, named, done)
