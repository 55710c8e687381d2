"""Jsonnet files made into objects, by the real jsonnet, confined, in a directory of their own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from trueup.clients.process import Completed, ProcessError
from trueup.domain.errors import StalledError
from trueup.domain.kubeyaml import YamlBounds
from trueup.domain.manifest import OBJECTS_MAX, Parsed, parse_array
from trueup.domain.redact import Redactor
from trueup.engine.concurrency import each
from trueup.engine.render.cache import ParsedFile
from trueup.engine.render.directory import PARSE_BYTES_INLINE_MAX
from trueup.engine.render.jsonnet_program import Program, printable
from trueup.engine.render.jsonnet_secrets import secrets_in
from trueup.engine.render.tools import Tool
from trueup.engine.render.workdir import private_directory, write_out
from trueup.engine.tree import Tree

#: Files of one source that are evaluated at a time.
RUNS_MAX = 4

#: How go-jsonnet says where: `file:line:column`, `file:line:from-to` or `file:(line:column)-(line:column)`.
_PLACE = re.compile(r"(?P<file>[^\t\n]+?):\(?(?P<line>\d+):\d+[-:)(\d]*")
_RUNTIME = "RUNTIME ERROR: "
#: What Go says where one piece of memory was refused; a jail sees no bound that was crossed.
_NO_MEMORY = "fatal error: runtime: out of memory"
#: The standard library's own lines help nobody.
_STANDARD_LIBRARY = "<std>"
#: What stands in a variable has no file.
_VARIABLE = re.compile(r"<(extvar|top-level-arg):(.*)>")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
#: What is said of an error that has a way out in the Application.
_WAYS_OUT = (
    ("couldn't open import", "commit the file, or name the directory that it is found from in jsonnet.libs"),
    ("Undefined external variable", "give it in jsonnet.extVars"),
    ("Missing argument", "give it in jsonnet.tlas"),
    ("function has no parameter", "leave it out of jsonnet.tlas"),
)


class Confined(Protocol):
    """What runs a program shut in: `clients.jail.Jail`."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        readable: Sequence[Path],
        writable: Sequence[Path],
        stdin: bytes | None = None,
    ) -> Completed:
        """Run it to its end, whatever its exit status. Raises ProcessError where it had to be ended."""
        ...


async def evaluate(
    program: Program,
    tree: Tree,
    *,
    tool: Tool,
    jail: Confined,
    directory: Path,
    bytes_max: int,
    objects_max: int = OBJECTS_MAX,
    yaml: YamlBounds | None = None,
) -> dict[str, ParsedFile]:
    """What each of the program's files comes to, by its place; its size is that of what jsonnet printed.

    The files are written below `directory`, up to `bytes_max` bytes, for as long as it takes.
    StalledError names the file and, where jsonnet says it, the line.
    """
    if not program.mains:
        return {}
    bounds = yaml or YamlBounds()
    made: dict[str, ParsedFile] = {}
    async with private_directory(directory) as private:
        await write_out(tree, program.files, private, bytes_max=bytes_max)

        async def one(main: str) -> None:
            printed = await _run(program, main, tree, tool, jail, private)
            arguments = (printable(main), printed, bounds, objects_max)
            if len(printed) > PARSE_BYTES_INLINE_MAX:
                made[main] = await asyncio.to_thread(_parsed, *arguments)
            else:
                made[main] = _parsed(*arguments)

        await each(program.mains, one, in_flight_max=RUNS_MAX)
    return {main: made[main] for main in program.mains}


def _parsed(main: str, printed: bytes, bounds: YamlBounds, objects_max: int) -> ParsedFile:
    objects = parse_array(main, printed, bounds=bounds, objects_max=objects_max)
    return ParsedFile(Parsed(objects, ()), len(printed))


async def _run(program: Program, main: str, tree: Tree, tool: Tool, jail: Confined, private: Path) -> bytes:
    argv = [str(tool.path), *_options(program), "--", main]
    try:
        # By names from the root, so that nothing of where it happens to lie gets into what comes out.
        done = await jail.run(argv, cwd=private, env={}, readable=[private], writable=[])
    except ProcessError as error:
        raise StalledError(f"{printable(main)} was not evaluated: {error}") from error
    if done.returncode != 0:
        contents = await tree.read({file.id for file in program.files})
        files = [(file.place, contents[file.id]) for file in program.files]
        secrets = await asyncio.to_thread(secrets_in, files, (*program.external, *program.arguments))
        raise StalledError(_sentence(printable(main), done, secrets))
    return done.stdout


def _options(program: Program) -> list[str]:
    options = []
    for place in program.search:
        options += ["--jpath", f"./{place}"]
    for variable in program.external:
        options += ["--ext-code" if variable.code else "--ext-str", f"{variable.name}={variable.value}"]
    for variable in program.arguments:
        options += ["--tla-code" if variable.code else "--tla-str", f"{variable.name}={variable.value}"]
    return options


def _sentence(main: str, done: Completed, secrets: Redactor) -> str:
    """What jsonnet had to say, on one line: where first, then what, then the way out where there is one."""
    said = secrets.text(done.stderr.decode(errors="backslashreplace"))
    if _NO_MEMORY in said:
        what = "jsonnet needs more memory than it may use (TRUEUP_RENDER_MEMORY_BYTES_MAX)"
        return f"{main} was not evaluated: {what}"
    if said.startswith(_RUNTIME):
        # What went wrong, then a line for each call that led there.
        lines = said.removeprefix(_RUNTIME).split("\n")
        calls = [line[1:] for line in lines if line.startswith("\t")]
        what = " ".join(line for line in lines if not line.startswith("\t"))
        where = next((found for call in calls if (found := _place(call))), main)
    else:
        what, where = said.split("\n", 1)[0], main
    if at := _PLACE.match(what):
        where, what = _place(what) or where, what[at.end() :]
    what = _CONTROL.sub(" ", what).strip()
    if not what:
        return f"{main} was not evaluated: jsonnet ended with {done.returncode} and said nothing"
    way_out = next((f"; {way_out}" for beginning, way_out in _WAYS_OUT if what.startswith(beginning)), "")
    by = "" if where.startswith(main) else f" (for {main})"
    return f"{where}{by}: {what.removesuffix('.')}{way_out}"


def _place(said: str) -> str | None:
    found = _PLACE.match(said)
    if found is None or found["file"] == _STANDARD_LIBRARY:
        return None
    file = found["file"]
    if variable := _VARIABLE.fullmatch(file):
        file = f"jsonnet.{'extVars' if variable[1] == 'extvar' else 'tlas'} {variable[2]}"
    return f"{file}, line {found['line']}"
