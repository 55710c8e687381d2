"""Small local files: read, written in one step, readable by nobody else."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path


def make_directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def make_empty_directory(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    return make_directory(path)


def read_if_there(path: Path) -> str | None:
    """The text without white space around it, or None when there is no such file."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return None


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner may read; whoever reads it meanwhile sees the old or the new one."""
    written = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    written.replace(path)
    return path
