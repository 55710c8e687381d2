"""Which of a chart's versions a target revision stands for.

Charts are versioned by Semantic Versioning 2, and Helm reads ranges as Argo CD does of tags, see
`trueup.domain.version_range`. Three rules are charts' own: a text that is the name of a version means just
that one, whatever else it may be read as; a version in part (`1.2`) is every version that begins so; and no
text at all is the newest that is no pre-release.
"""

from __future__ import annotations

from collections.abc import Iterable

from trueup.domain.version_range import Version, VersionRange, parse_range, parse_version

#: Other ways to write "any".
_ANY = frozenset({"", "*", "x", "X"})


def chart_range(text: str) -> VersionRange | None:
    """The range that a chart's target revision is; None for what can only be a name (`latest`)."""
    text = text.strip()
    if text in _ANY:
        return parse_range("*")
    if ":" in text:
        # A digest; what a range of tags may have before it is nothing that a chart has.
        return None
    return parse_range(f"={text}" if parse_version(text) is not None else text)


def is_name(text: str) -> bool:
    """Whether it may be what one version is called: a version, whole or in part, or no range at all."""
    text = text.strip()
    return text not in _ANY and (parse_version(text) is not None or chart_range(text) is None)


def best_version(text: str, names: Iterable[str]) -> str | None:
    """Of these versions the one that the target revision stands for; None where it is none of them.

    Of several that differ in no more than build metadata (`1.0.0+a`, `1.0.0+b`) or a leading `v` the
    longest name is taken, then the last by the alphabet, so that every reader takes the same.
    """
    known = tuple(names)
    if text in known:
        return text
    wanted = chart_range(text)
    if wanted is None:
        return None
    # `+` and what follows it has no rank, but whoever writes it means it.
    build = text.strip().partition("+")[2]
    admitted = [(version, name) for version, name in _ranked(known) if wanted.admits(version)]
    same = [(version, name) for version, name in admitted if build and name.partition("+")[2] == build]
    if build and not same:
        return None
    return max(same or admitted, key=lambda one: (one[0], len(one[1]), one[1]), default=(None, None))[1]


def newest(names: Iterable[str], count: int) -> list[str]:
    """The so many newest of these, pre-releases too, for a message; what is no version stands last."""
    known = list(dict.fromkeys(names))
    versions = [name for _, name in sorted(_ranked(known), reverse=True)]
    return [*versions, *sorted(set(known).difference(versions))][:count]


def _ranked(names: Iterable[str]) -> list[tuple[Version, str]]:
    return [(version, name) for name in names if (version := parse_version(name)) is not None]
