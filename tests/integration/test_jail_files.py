"""A renderer reads and writes what it was given, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.jails import (
    BARE,
    NO_LANDLOCK,
    NO_NAMESPACES,
    NO_SECCOMP,
    PYTHON,
    SYSTEM,
    WHOLE,
    attempts,
    jail,
)

HIDING = pytest.mark.parametrize(
    "without", [WHOLE, NO_NAMESPACES, NO_LANDLOCK, NO_SECCOMP], ids=lambda words: "-".join(words) or "whole"
)
FILTERED = pytest.mark.parametrize(
    "without", [WHOLE, NO_NAMESPACES, NO_LANDLOCK], ids=lambda words: "-".join(words) or "whole"
)
REFUSED = {"PermissionError", "FileNotFoundError", "OSError"}


@pytest.fixture
def writable(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "outside" / "token"
    path.parent.mkdir()
    path.write_text("canary")
    return path


def content(path: Path) -> str:
    return path.read_text()


def mode(path: Path) -> int:
    return path.stat().st_mode


def names(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()]


@HIDING
async def test_nothing_outside_can_be_read(without: Sequence[str], writable: Path, secret: Path) -> None:
    async with jail(without) as within:
        found = await attempts(
            within,
            "attempt('token', lambda: open(here[0]).read())\n"
            "attempt('folder', lambda: os.listdir(os.path.dirname(here[0])))\n"
            "attempt('above', lambda: open('../outside/token').read())\n"
            "attempt('passwd', lambda: open('/etc/passwd').read())\n"
            "attempt('root', lambda: os.listdir('/proc'))\n",
            secret,
            writable=writable,
        )
    assert set(found.values()) <= REFUSED, found


@HIDING
async def test_a_link_in_what_it_may_read_does_not_lead_out(
    without: Sequence[str], tmp_path: Path, writable: Path, secret: Path
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(secret)
    (tree / "inside").write_text("hello")
    async with jail(without) as within:
        found = await attempts(
            within,
            "attempt('link', lambda: open(here[0] + '/link').read())\n"
            "attempt('inside', lambda: open(here[0] + '/inside').read())\n",
            tree,
            writable=writable,
            readable=[tree],
        )
    assert found["inside"] == "hello"
    assert found["link"] in REFUSED


@HIDING
async def test_the_worker_cannot_be_looked_into(
    without: Sequence[str], writable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEUP_PROBE", "canary")
    async with jail(without) as within:
        found = await attempts(
            within,
            "for name in ('environ', 'mem', 'maps', 'cmdline', 'fd', 'root/etc/passwd', 'cwd'):\n"
            "    path = '/proc/%s/%s' % (here[0], name)\n"
            "    attempt(name, lambda: os.listdir(path) if name in ('fd', 'cwd') else open(path, 'rb').read(1))\n"
            "attempt('own', lambda: open('/proc/self/environ', 'rb').read(1))\n"
            "attempt('parent', lambda: open('/proc/%d/environ' % os.getppid(), 'rb').read(1))\n",
            str(os.getpid()),
            writable=writable,
        )
    assert set(found.values()) <= REFUSED, found


@HIDING
async def test_nothing_outside_can_be_written(
    without: Sequence[str], tmp_path: Path, writable: Path, secret: Path
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    async with jail(without) as within:
        found = await attempts(
            within,
            "attempt('overwrite', lambda: open(here[0], 'w'))\n"
            "attempt('truncate', lambda: os.truncate(here[0], 0))\n"
            "attempt('beside', lambda: open(here[0] + '.new', 'w'))\n"
            "attempt('remove', lambda: os.unlink(here[0]))\n"
            "attempt('rename', lambda: os.rename(here[0], 'mine'))\n"
            "attempt('tree', lambda: open(here[1] + '/new', 'w'))\n"
            "attempt('tmp', lambda: open('/tmp/trueup-jail-probe', 'w'))\n"
            "attempt('shm', lambda: open('/dev/shm/trueup-jail-probe', 'w'))\n",
            secret,
            tree,
            writable=writable,
            readable=[tree],
        )
    assert set(found.values()) <= REFUSED, found
    assert content(secret) == "canary"


@HIDING
async def test_its_own_directory_is_its_own(without: Sequence[str], writable: Path) -> None:
    async with jail(without) as within:
        found = await attempts(
            within,
            "os.mkdir('a'); os.mkdir('b'); open('a/x', 'w').write('one'); os.rename('a/x', 'b/y')\n"
            "open(os.devnull, 'w').write('gone')\n"
            "attempt('read', lambda: open('b/y').read())\n",
            writable=writable,
        )
    assert found == {"read": "one"}
    assert content(writable / "b" / "y") == "one"
    assert mode(writable / "b" / "y") & 0o077 == 0


@FILTERED
async def test_it_leaves_no_link_pipe_or_mode_that_would_mislead_a_reader(
    without: Sequence[str], writable: Path, secret: Path
) -> None:
    async with jail(without) as within:
        found = await attempts(
            within,
            "open('mine', 'w')\n"
            "attempt('symlink', lambda: os.symlink(here[0], 'link'))\n"
            "attempt('link', lambda: os.link(here[0], 'hard'))\n"
            "attempt('own link', lambda: os.link('mine', 'hard'))\n"
            "attempt('pipe', lambda: os.mkfifo('pipe'))\n"
            "attempt('mode', lambda: os.chmod('mine', 0o777))\n"
            "attempt('their mode', lambda: os.chmod(here[0], 0o777))\n"
            "attempt('owner', lambda: os.chown('mine', 1, 1))\n"
            "attempt('time', lambda: os.utime(here[0]))\n",
            secret,
            writable=writable,
        )
    assert set(found.values()) <= REFUSED, found
    assert names(writable) == ["mine"]


@pytest.mark.parametrize("without", [WHOLE, NO_NAMESPACES, NO_SECCOMP], ids=["whole", "namespaces", "seccomp"])
async def test_a_program_from_the_tree_is_not_run(without: Sequence[str], tmp_path: Path, writable: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    plugin = Path(shutil.copy("/bin/true", tree / "plugin"))
    async with jail(without) as within:
        found = await attempts(
            within,
            "attempt('in place', lambda: os.execv(here[0], ['plugin']))\n",
            plugin,
            writable=writable,
            readable=[tree],
        )
    assert found == {"in place": "PermissionError"}


@pytest.mark.parametrize("without", [WHOLE, BARE], ids=["whole", "bare"])
async def test_it_gets_the_given_environment_and_three_descriptors(without: Sequence[str], writable: Path) -> None:
    script = (
        "import json, os\n"
        "opened = []\n"
        "for number in range(1024):\n"
        "    try: os.fstat(number)\n"
        "    except OSError: continue\n"
        "    opened.append(number)\n"
        "print(json.dumps([dict(os.environ), opened]))\n"
    )
    given = {"HOME": str(writable), "ODD": "a=b\nc", "BYTES": os.fsdecode(b"\xff")}
    with (writable / "held").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        async with jail(without) as within:
            done = await within.run(
                [PYTHON, "-I", "-S", "-X", "utf8=0", "-c", script],
                cwd=writable,
                env={**given, "LC_ALL": "C.UTF-8"},
                readable=SYSTEM,
                writable=[writable],
            )
    environment, opened = json.loads(done.stdout)
    assert environment == {**given, "LC_ALL": "C.UTF-8"}
    assert opened == [0, 1, 2]
