"""Holds the code to its budget and to the rules that no linter knows.

No file over 400 lines, no function over 70; child processes are started by `clients/process.py`
and by the jailer; the domain asks no clock. Exits 1 with a line for each finding.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
ROOT = Path(__file__).resolve().parent.parent
CODE = ("trueup", "service", "workers")
STARTS_A_PROCESS = re.compile(
    r"\b(create_subprocess_(exec|shell)|subprocess\.|os\.(fork|posix_spawn|exec[lv]p?e?|system))\b"
)
MAY_START_PROCESSES = {
    "trueup/clients/process.py",
    "trueup/clients/jailer/keeper.py",
    "trueup/clients/jailer/main.py",
}
ASKS_THE_CLOCK = re.compile(r"\b(datetime\.now|datetime\.utcnow|date\.today|time\.time)\b")


def findings(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text()
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{name}: {lines} lines, {FILE_LINES_MAX} are allowed"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, {FUNCTION_LINES_MAX} are allowed"
    if name.startswith(CODE):
        if STARTS_A_PROCESS.search(text) and name not in MAY_START_PROCESSES:
            yield f"{name}: starts a process; only {', '.join(sorted(MAY_START_PROCESSES))} may"
        if name.startswith("trueup/domain/") and ASKS_THE_CLOCK.search(text):
            yield f"{name}: asks the clock; pass `now` in"


def main() -> int:
    files = [p for folder in (*CODE, "tests", "scripts", "benchmarks") for p in sorted((ROOT / folder).rglob("*.py"))]
    found = [finding for path in files for finding in findings(path)]
    for finding in found:
        print(finding, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
