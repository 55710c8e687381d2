"""What a profile says: in which modules and functions a process spends its CPU, and under which of ours."""

from __future__ import annotations

import pstats
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.report import table

CHECKOUT = Path(__file__).parent.parent
MODULES_MAX = 12
FUNCTIONS_MAX = 16
OURS_MAX = 24
#: The profiler's name for where code that is not Python stands.
_BUILT_IN = "~"

Function = tuple[str, int, str]
#: Calls in all, calls that did not recur, own seconds, seconds with everything called, and the same by caller.
Entry = tuple[int, int, float, float, dict[Function, tuple[int, int, float, float]]]


def said(half: str, written: Path, events: int) -> Iterator[str]:
    """The tables of one process, each figure of one event."""
    stats: dict[Function, Entry] = pstats.Stats(str(written)).stats  # type: ignore[attr-defined]
    own = _own_seconds(stats)
    modules: dict[str, float] = defaultdict(float)
    for (module, _), seconds in own.items():
        modules[module] += seconds
    total = sum(own.values())

    def shares(found: Mapping[str, float], rows_max: int) -> list[tuple[str, ...]]:
        most = sorted(found.items(), key=lambda item: -item[1])[:rows_max]
        return [(name, f"{1000 * seconds / events:.2f}", f"{100 * seconds / total:.1f} %") for name, seconds in most]

    yield ""
    yield f"The {half}: {1000 * total / events:.1f} ms of CPU an event, under a profiler that makes calls dearer."
    yield ""
    yield from table(("module, by itself", "CPU ms", "share"), shares(modules, MODULES_MAX))
    yield ""
    functions = {f"{module} {name}": seconds for (module, name), seconds in own.items()}
    yield from table(("function, by itself", "CPU ms", "share"), shares(functions, FUNCTIONS_MAX))
    yield ""
    ours = {function: entry for function, entry in stats.items() if _module(function[0]).endswith(".py")}
    dearest = sorted(ours.items(), key=lambda item: -item[1][3])[:OURS_MAX]
    rows = [
        (f"{_module(file)}:{line} {name}", f"{calls / events:.1f}", f"{1000 * seconds / events:.2f}")
        for (file, line, name), (calls, _, _, seconds, _) in dearest
    ]
    yield from table(("function of ours, with all it calls", "entered or resumed", "CPU ms"), rows)


def _own_seconds(stats: Mapping[Function, Entry]) -> dict[tuple[str, str], float]:
    """By module and function. What is built in counts where it is called."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for (file, _, name), (_, _, own, _, callers) in stats.items():
        if file == _BUILT_IN and callers:
            for (caller, _, within), (_, _, seconds, _) in callers.items():
                found[_module(caller), f"{within} → {name}"] += seconds
        else:
            found[_module(file), name] += own
    return found


def _module(file: str) -> str:
    """One of our files by its path, and of others the package."""
    path = Path(file)
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    if path.is_relative_to(CHECKOUT):
        return path.relative_to(CHECKOUT).as_posix()
    if not path.is_absolute():
        return "built in"
    return f"python's {path.stem if path.parent.name.startswith('python3') else path.parent.name}"
