"""Builds the wheel, installs it beside the dependencies and asks it for its commands.

The edges stand at the top of the checkout and under `trueup/` in the wheel; an absolute import of
an edge works in the one and breaks in the other, and this is where that shows.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ["trueup.cli.main", "trueup.service.__main__", "trueup.workers.__main__", "trueup.sandbox"]
FILES = [
    "trueup/service/web/static/page.css",
    "trueup/service/web/templates/base.html",
    "trueup/clients/lua/",
    "trueup/sandbox/controlplane/go.mod",
    "trueup/sandbox/controlplane/main.go",
    "trueup/sandbox/tools/go.sum",
    "trueup/sandbox/tools/registry/main.go",
    "trueup/py.typed",
]


def run(*argv: str, cwd: Path) -> None:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT), cwd=place)
        wheel = next(place.glob("*.whl"))
        names = zipfile.ZipFile(wheel).namelist()
        rude = {name.split("/")[0] for name in names} - {"trueup"}
        rude = {name for name in rude if not name.endswith(".dist-info")}
        if rude:
            sys.exit(f"the wheel would install top-level names beside trueup: {', '.join(sorted(rude))}")
        missing = [file for file in FILES if not any(name.startswith(file) for name in names)]
        if missing:
            sys.exit(f"the wheel lacks {', '.join(missing)}")
        target = place / "installed"
        run(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(target),
            str(wheel),
            cwd=place,
        )
        code = f"import sys; sys.path.insert(0, {str(target)!r})\n" + "\n".join(f"import {name}" for name in MODULES)
        code += f"\nimport trueup; assert trueup.__file__.startswith({str(target)!r}), trueup.__file__"
        run(sys.executable, "-I", "-c", code, cwd=place)


if __name__ == "__main__":
    main()
