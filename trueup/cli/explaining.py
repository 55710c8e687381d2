"""`trueup explain`: whom a change of one file concerns, and why, from what is on record. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from trueup.cli.home import Home, home
from trueup.cli.printing import facts, structured
from trueup.clients.applications import parse_application
from trueup.clients.epoch import read_keys_secret
from trueup.clients.read_sets import ReadSetStore
from trueup.clients.redis import connect
from trueup.clients.seal import Sealer
from trueup.domain.application import Application
from trueup.domain.followers import follows
from trueup.domain.generate_paths import asked_for
from trueup.domain.read_set import Entry, ReadSet, read_key
from trueup.domain.standing import is_uncertain
from trueup.engine.bounds import read_set_bounds

_WORDS = {
    "listed": "its render lists this directory, and the file counts there",
    "read": "its render reads this file",
    "missed": "its render looks for this file, and does without it where there is none",
    "linked": "a symbolic link below its source path leads to or through this",
    "asked": "its annotation argocd.argoproj.io/manifest-generate-paths names this",
}
Row = tuple[str, object]


@dataclass(frozen=True, slots=True)
class Reason:
    because: str
    #: What of the read-set says so, where that is one entry.
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    affected: bool
    reasons: tuple[Reason, ...]
    #: The revision last compared, empty before the first; None where that has no part in it.
    compared_at: str | None = None
    #: What the render has read, where nothing of it is concerned.
    has_read: tuple[str, ...] = ()

    def rows(self) -> list[Row]:
        """For a person."""
        rows: list[Row] = [] if self.compared_at is None else [("Compared at", self.compared_at or "never")]
        for reason in self.reasons:
            rows += [("Because", reason.because), *([("Rule", reason.rule)] if reason.rule else [])]
        return rows + ([("Has read", ", ".join(self.has_read))] if self.has_read else [])

    def document(self) -> dict[str, object]:
        """For a program."""
        return {
            "affected": self.affected,
            "comparedAt": self.compared_at,
            "reasons": [{"because": reason.because, "rule": reason.rule or None} for reason in self.reasons],
            "hasRead": list(self.has_read),
        }


async def print_explanation(name: str, path: str, output: str, *, namespace: str) -> bool:
    """Print whether a push that changes the file makes the Application look again, and why; the answer.

    Raises StalledError or TransientError where the records cannot be read.
    """
    async with home(namespace) as reached:
        application = parse_application(await reached.read(reached.named(name)))
        follows = not (application.spec_refusals or application.deleting)
        kept = await _on_record(reached, application) if follows and not is_uncertain(application) else None
    plain = "/".join(part for part in path.split("/") if part not in {"", "."})
    found = explained(application, plain, kept)
    if output == "wide":
        said = "yes" if found.affected else "no"
        print(facts([("Application", application.id), ("File", plain), ("Affected", said), *found.rows()]))
    else:
        print(structured({"application": str(application.id), "file": plain, **found.document()}, output))
    return found.affected


def explained(application: Application, path: str, kept: ReadSet | None) -> Explanation:
    """Whether, and why; `kept` is the read-set of the revision last compared, None where it is not known."""
    if application.spec_refusals or application.deleting:
        why = "it is being deleted" if application.deleting else " ".join(application.spec_refusals)
        return Explanation(affected=False, reasons=(Reason(f"it follows no repository: {why}"),))
    at = application.revision
    if is_uncertain(application):
        why = "there is no verdict on what it asks for now: every push concerns it"
        return Explanation(affected=True, reasons=(Reason(why),), compared_at=at)
    asked = (asked_for(application, followed) for followed in follows(application))
    entries = (kept or frozenset()).union(*asked)
    hits = [entry for entry in sorted(entries) if entry.concerns(path)]
    if hits:
        reasons = tuple(Reason(_WORDS[entry.rule], f"{entry.rule} {_named(entry)}") for entry in hits)
        return Explanation(affected=True, reasons=reasons, compared_at=at)
    if kept is None:
        why = "what its render has read is not on record: every push concerns it"
        return Explanation(affected=True, reasons=(Reason(why),), compared_at=at)
    why = "its render has read neither the file nor a directory in which it counts"
    read = tuple(_named(entry) for entry in sorted(entries))
    return Explanation(affected=False, reasons=(Reason(why),), compared_at=at, has_read=read)


def _named(entry: Entry) -> str:
    """The place, and what narrows it."""
    said = [
        "" if entry.recurse else "not below",
        f"only {' '.join('*' + suffix for suffix in entry.suffixes)}" if entry.suffixes else "",
        f"include {entry.include}" if entry.include else "",
        f"exclude {entry.exclude}" if entry.exclude else "",
        f"pattern /{entry.pattern}" if entry.pattern else "",
    ]
    narrowed = "; ".join(part for part in said if part)
    return f"/{entry.place}" + (f" ({narrowed})" if narrowed else "")


async def _on_record(reached: Home, application: Application) -> ReadSet | None:
    seal_key = await read_keys_secret(reached.cluster, reached.settings.namespace)
    if seal_key is None:
        return None
    client = connect(reached.settings.redis_url)
    try:
        keys = [read_key(application, followed, revision) for followed, revision in follows(application).items()]
        bounds = read_set_bounds(reached.settings)
        store = ReadSetStore(reached.settings.data_dir, client, Sealer(seal_key), bounds=bounds)
        found = await store.get(keys)
        # Where what one of the sources has read is not known, every push concerns it.
        return frozenset[Entry]().union(*found.values()) if len(found) == len(keys) else None
    finally:
        await client.aclose()
