"""Write the definitions into a directory: `python -m trueup.clients.crds deploy/crds`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trueup.clients.crds.files import crd_files


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trueup.clients.crds", description=__doc__)
    parser.add_argument("directory", type=Path, help="where the files go; it is made if missing")
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in crd_files().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
