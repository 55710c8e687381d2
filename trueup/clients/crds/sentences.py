"""What is wrong with an object, in sentences for the person who wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from trueup.clients.crds.model import Model

#: An object can be wrong in thousands of places; nobody reads that many sentences.
SENTENCES_MAX = 20
QUOTED_CHARS_MAX = 80
PATH_CHARS_MAX = 200

_EXPECTED = {
    "string_type": "text",
    "string_too_short": "more than nothing",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def quoted(text: str) -> str:
    """A user's own value inside a sentence: short, and with nothing in it that a terminal would obey."""
    return json.dumps(text if len(text) <= QUOTED_CHARS_MAX else text[: QUOTED_CHARS_MAX - 1] + "…")


def printable(text: str) -> str:
    """A sentence made elsewhere, without what would disturb a page or a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def bounded(sentences: Iterable[str]) -> tuple[str, ...]:
    """Each sentence once, and at most SENTENCES_MAX of them."""
    distinct = tuple(dict.fromkeys(sentences))
    if len(distinct) <= SENTENCES_MAX:
        return distinct
    kept = distinct[: SENTENCES_MAX - 1]
    return (*kept, f"{len(distinct) - len(kept)} more things are wrong; correct these first.")


def type_sentences(model: type[Model], value: object, path: str) -> list[str]:
    """A sentence for every place under `path` where `value` has not the shape of the model."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [
            _type_sentence(problem["type"], _joined(path, problem["loc"]))
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    return []


def _type_sentence(problem: str, path: str) -> str:
    if problem == "missing":
        return f"{path} is missing; add it."
    return f"{path} must be {_EXPECTED.get(problem, 'of another type')}; correct it."


def _joined(path: str, steps: Sequence[int | str]) -> str:
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if step.isidentifier() else f"[{quoted(step)}]"
    return path if len(path) <= PATH_CHARS_MAX else path[: PATH_CHARS_MAX - 1] + "…"
