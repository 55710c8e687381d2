"""What Helm says when it fails, made into a sentence: where in the chart, what, and the way out.

Nothing private is in it: no path of the worker, and no value that may be a secret. Helm quotes values here and
there, so they are taken out twice: where it is known to quote, and by value where they or their names look secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trueup.clients.process import Completed
from trueup.domain.errors import StalledError
from trueup.domain.redact import TELLING_WORDS, Redactor
from trueup.domain.source import HelmParameter
from trueup.engine.render.request import Request

#: Of what Helm says, in characters; the sentence around it has to find room too.
SAID_CHARS_MAX = 700
#: In so many values are looked for: a chart may be made to be searched for ever.
SEARCHED_CHARS_MAX = 8_000
VALUES_DEPTH_MAX = 50

_SECRET_NAME = re.compile(f"(?i){TELLING_WORDS}")
#: Long, of letters and digits, and no word that anybody reads: secret, whatever its name is.
_LOOKS_SECRET = re.compile(r"(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/=_]{16,}")
#: Where Helm, and what it is made of, quote a value.
_QUOTED = (
    (re.compile(r"(does not match|got) '[^'\n]*'"), r"\1 a value"),
    (re.compile(r"'[^'\n]*' (does not match pattern|is not valid)"), r"a value \1"),
    (re.compile(r"(- at '[^'\n]*': ).* (is not valid \S+:).*"), r"\1a value \2 …"),
    (re.compile(r'\b(parsing(?: time)?|parse|value|key|of) ("(?:[^"\\\n]|\\.)*")'), r"\1 …"),
    (re.compile(r"(!!\w+) `[^`\n]*`"), r"\1"),
)
_NOISE = (
    re.compile(r"^(Error: )+", re.MULTILINE),
    re.compile(r"\s{0,9}Use --debug flag to render out invalid YAML"),
    re.compile(r"^(coalesce\.go|walk\.go|\d{4}/\d\d/\d\d|W\d{4}|I\d{4}|WARNING:).*\n?", re.MULTILINE),
    re.compile(r"execution error at "),
)
#: A chain of templates that call each other says the same over and over.
_CHAIN = ": error calling include: "
_CHAIN_LINKS_MAX = 3
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")
_OUT_OF_MEMORY = re.compile(r"out of memory|cannot allocate memory|failed to reserve|failed to create new OS thread")
_WAYS_OUT = (
    ("nil pointer evaluating", "give the value, or let the template have a default for it"),
    ("don't meet the specifications of the schema", "correct the values, or set helm.skipSchemaValidation"),
    ("library charts are not installable", "point the source to a chart that uses it"),
    ("chart requires kubeVersion", "take a chart for that version, or set helm.kubeVersion"),
    ("missing in charts/ directory", "run `helm dependency update` and commit charts/"),
    ("unable to execute template", "the template includes itself without an end; let it come to one"),
    ("failed parsing --set", "correct helm.parameters; a comma, a bracket and a backslash have a meaning there"),
    ('function "env" not defined', "Helm has no access to the environment; use a value"),
    ('function "expandenv" not defined', "Helm has no access to the environment; use a value"),
    ("Chart.yaml", "correct it; `helm lint` shows the same"),
)


def named(request: Request) -> str:
    """The source, as sentences call it."""
    source = request.source
    return (
        f"{request.said} (the chart {source.chart})"
        if source.is_chart
        else f"{request.said} ({request.files.path or '.'})"
    )


def failure(
    request: Request, done: Completed, *, private: Path, names: Mapping[str, str], secrets: Redactor
) -> StalledError:
    """What to say of a Helm that ended with something else than 0.

    `private` is the directory that it ran in; `names` tells how files in it are called, by their paths in it.
    """
    where = named(request)
    if done.returncode < 0:
        what = f"helm was ended by signal {-done.returncode}: it wanted more memory or time than a render gets"
        return StalledError(f"{where}: {what}; make the chart do less")
    said = done.stderr.decode(errors="replace")
    if "goroutine " in said:
        # A stack trace helps nobody who has written a chart.
        if _OUT_OF_MEMORY.search(said):
            return StalledError(f"{where}: helm asked for more memory than a render gets; make the chart do less")
        said = said.partition("\n")[0]
    said = readable(said, private=private, names=names, secrets=secrets, place=request.files.path)
    if not said:
        return StalledError(f"{where}: helm ended with {done.returncode} and said nothing")
    way_out = next((f"; {way}" for mark, way in _WAYS_OUT if mark in said), "")
    return StalledError(f"{where}: {said}{way_out}")


def readable(said: str, *, private: Path, names: Mapping[str, str], secrets: Redactor, place: str) -> str:
    """Helm's words without what is noise, private or secret, in one line that is not too long."""
    for noise in _NOISE:
        said = noise.sub("", said)
    for root in sorted({str(private), str(private.resolve())}, key=len, reverse=True):
        said = said.replace(f"{root}/chart/", f"{place}/" if place else "").replace(f"{root}/chart", place or ".")
        said = said.replace(f"{root}/", "").replace(root, ".")
    for path, name in sorted(names.items(), key=lambda pair: len(pair[0]), reverse=True):
        said = said.replace(path, name)
    links = said.split(_CHAIN)
    if len(links) > _CHAIN_LINKS_MAX:
        said = _CHAIN.join([*links[:1], "…", *links[-1:]])
    said = secrets.text(said)
    if len(said) > SEARCHED_CHARS_MAX:
        said = f"{said[:SAID_CHARS_MAX]}…{said[SAID_CHARS_MAX - SEARCHED_CHARS_MAX :]}"
    for quoted, instead in _QUOTED:
        said = quoted.sub(instead, said)
    said = _CONTROL.sub("", " ".join(said.split()))
    return said if len(said) <= SAID_CHARS_MAX else said[: SAID_CHARS_MAX - 1] + "…"


def secrets_of(documents: Iterable[Any], parameters: Iterable[HelmParameter]) -> Redactor:
    """Knows every value that is or whose name sounds secret, of values and of parameters."""
    secrets = Redactor()
    for document in documents:
        for text in _secret_texts(document):
            secrets.add(text)
    for parameter in parameters:
        if _SECRET_NAME.search(parameter.name) or _LOOKS_SECRET.fullmatch(parameter.value):
            secrets.add(parameter.value)
    return secrets


def _secret_texts(document: Any) -> Iterable[str]:
    pending: list[tuple[Any, bool, int]] = [(document, False, 0)]
    while pending:
        value, is_secret, depth = pending.pop()
        if isinstance(value, Mapping) and depth < VALUES_DEPTH_MAX:
            pending += [
                (item, is_secret or bool(_SECRET_NAME.search(str(key))), depth + 1) for key, item in value.items()
            ]
        elif isinstance(value, Sequence) and not isinstance(value, str) and depth < VALUES_DEPTH_MAX:
            pending += [(item, is_secret, depth + 1) for item in value]
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            text = str(value)
            if is_secret or _LOOKS_SECRET.fullmatch(text):
                yield text
