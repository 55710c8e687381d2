"""What kustomize says of a build that fails, as a sentence for whoever wrote the kustomization."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from trueup.domain.kubeyaml import YamlBounds, YamlError, read_documents
from trueup.domain.kustomization import is_content, secret_texts
from trueup.domain.redact import Redactor
from trueup.engine.render.kustomize_graph import Missing

#: Of what kustomize says, in characters: it repeats names, and a name may be made to be searched for ever.
SAID_CHARS_MAX = 8_000
#: In front of each base's error stands that a directory is no file, which says nothing.
_NO_FILE = re.compile(r"accumulation err='accumulating resources from '[^\n]*?' must resolve to a file': ")
_NO_DIRECTORY = "accumulation err='"
_MUST_BE_ONE = "': must build at directory: "
_IS_NONE = "not a valid directory: "
_IS_A_FILE = "': file is not directory"
#: Such as `evalsymlink failure on 'x' : lstat x: no such file or directory`.
_GONE = re.compile(r"evalsymlink failure on '[^\n]*?' : lstat ([^\n]*?): no such file or directory")
#: Kustomize repeats what a generator was given, which may be secret.
_HIDDEN = (
    ("literal sources [", "]: "),
    ("invalid literal source ", ", expected key=value"),
    ("invalid utf8 bytes : ", ""),
    ("with config: `", "`:"),
    ('Patch: "', '":'),
    ("Patch=", ""),
)
_POINTER = re.compile(r"&\{0x[0-9a-f]+ [^}]*\}")
#: Where a path in a sentence may have come to its end.
_ENDS = re.compile(r"['\"]| ?: |$")
#: Ends of a path that are tried: a name may have quotes and colons in it.
ENDS_MAX = 8
#: Quoted again with each base that an error has come through.
_QUOTE = re.compile(r'(?<!\\)\\+"')
_PRIVATE_NAME = re.compile(r"render-\w+")

_WAYS_OUT = (
    ("--enable-helm", "make the chart a source of its own (spec.sources, with helm), or commit what it renders"),
    ("external plugins disabled", "use a transformer or generator that kustomize has built in; others are programs"),
    ("security; file", "move the file below the kustomization's directory, or name a kustomization that has it"),
    ("cycle detected", "take one of the two out of the other's resources"),
    ("Found multiple kustomization files", "keep one of kustomization.yaml, kustomization.yml and Kustomization"),
    ("unable to find one of 'kustomization.yaml'", "name a directory that has one of them"),
    ("dial tcp", "commit what lies elsewhere: nothing is fetched while a kustomization is built"),
)


def said(stderr: bytes, directory: Path, *, missing: Sequence[Missing], secrets: Iterable[str]) -> str:
    """The message without noise, without the private directory and without secrets, and a way out where one is known.

    `secrets` are texts that may not come out.
    """
    text = stderr.decode("utf-8", "replace")
    _, found, last = text.rpartition("Error: ")
    lines = (last if found else text).splitlines()
    text = "\n".join(line for line in lines if line and not line.startswith("# Warning"))
    for beginning, end in _HIDDEN:
        text = _without(text, beginning, end)
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    # Not before: half of a secret would not be known for one.
    text = _shortened(redactor.text(_relative(text, directory)))
    text = "\n".join(_whose_directory_is_none(line) for line in _NO_FILE.sub("", text).split("\n"))
    text = _POINTER.sub("…", redactor.text(_GONE.sub(_is_not_there, text))).replace("\n", " ")
    text = _QUOTE.sub('"', text).strip().removesuffix(".") or "it ended without a word"
    if named := next((item for item in missing if item.text in text or item.place in text), None):
        return (
            f"{named.kustomization}: {named.field} names {named.text}, and {named.place} is not there; "
            f"commit it, or take it out of {named.field} (kustomize: {text})"
        )
    way_out = next((way for sign, way in _WAYS_OUT if sign in text), "")
    return f"{text}; {way_out}" if way_out else text


def private_places(stderr: bytes, directory: Path) -> set[str]:
    """The places below the private directory that kustomize may speak of: it puts no quotes around some."""
    text = stderr.decode("utf-8", "surrogateescape")
    found = set()
    for root in _spellings(directory):
        for rest in re.findall(re.escape(root) + r"/([^\n]+)", text):
            ends = [match.start() for match in itertools.islice(_ENDS.finditer(rest), ENDS_MAX)]
            found |= {rest[:end] for end in ends if end}
    return found


def secret_values(files: Iterable[tuple[str, bytes]], bounds: YamlBounds) -> list[str]:
    """Values of Secrets, and of what secrets are generated from, in the files of a graph."""
    found: list[str] = []
    for place, content in files:
        try:
            documents = read_documents(place, content, bounds)
        except YamlError:
            found += _assigned(content)
            continue
        for document in documents:
            value = document.value
            if isinstance(value, str):
                found += _assigned(content)
            if not isinstance(value, dict):
                continue
            found += secret_texts(value)
            if value.get("kind") == "Secret":
                for section in ("data", "stringData"):
                    texts = value.get(section)
                    found += [str(text) for text in texts.values()] if isinstance(texts, dict) else []
    return [text for text in found if len(text) > 1]


def _without(text: str, beginning: str, end: str) -> str:
    """The text with `…` for what stands between the two; without an end, for all that follows."""
    parts, at = [], 0
    while (start := text.find(beginning, at)) >= 0:
        start += len(beginning)
        stop = text.find(end, start) if end else -1
        parts += [text[at:start], "…"]
        at = stop if stop >= 0 else len(text)
    return "".join([*parts, text[at:]])


def _shortened(text: str) -> str:
    """Its beginning and its end: there it says what it was about, and what went wrong in the end."""
    half = SAID_CHARS_MAX // 2
    return text if len(text) <= SAID_CHARS_MAX else f"{text[:half]}…{text[-half:]}"


def _whose_directory_is_none(line: str) -> str:
    """Without the frame around what went wrong, which says only that a file is no directory."""
    at = 0
    while (start := line.find(_NO_DIRECTORY, at)) >= 0:
        middle = line.find(_MUST_BE_ONE, start)
        if middle < 0:
            break
        what = line[start + len(_NO_DIRECTORY) : middle]
        rest = line[middle + len(_MUST_BE_ONE) :]
        if rest.startswith(_IS_NONE):
            return line[:start] + what
        end = rest.find(_IS_A_FILE) if rest.startswith("'") else -1
        if end >= 0:
            line, at = line[:start] + what + rest[end + len(_IS_A_FILE) :], start + len(what)
        else:
            at = start + len(_NO_DIRECTORY)
    return line


def _is_not_there(match: re.Match[str]) -> str:
    """Kustomize looks for what is no YAML to it as for a file of that name."""
    return "what stands there is neither YAML nor a file" if is_content(match[1]) else f"{match[1]} is not there"


def _assigned(content: bytes) -> list[str]:
    """What may be secret in a file that is no YAML: the right sides of an env file, and the whole."""
    text = content.decode("utf-8", "replace")
    return [text, *(line.partition("=")[2] for line in text.splitlines() if "=" in line)]


def _relative(text: str, directory: Path) -> str:
    for root in _spellings(directory):
        text = text.replace(root + "/", "").replace(root, ".")
        # What a path of theirs has come to above it; a first directory says nothing of this machine.
        for above in Path(root).parents:
            if len(above.parts) > 2:
                text = text.replace(f"{above}/", "…/")
    return _PRIVATE_NAME.sub("…", text) if directory.name in text else text


def _spellings(directory: Path) -> list[str]:
    """The directory as it was given and as it really is, the longer first."""
    return sorted({str(directory), str(directory.resolve())}, key=len, reverse=True)
