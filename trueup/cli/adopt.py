"""`trueup drift adopt`: the change to the manifest files that makes Git say what live says."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from trueup.cli.at_hand import engine_at_hand, revisions_asked
from trueup.cli.home import Home, home
from trueup.cli.incidents import records_of
from trueup.cli.printing import one_line
from trueup.clients.api_errors import ApiError, UnknownKindError
from trueup.clients.git_commit import Author
from trueup.clients.incident_records import GROUP, KIND, read_record
from trueup.domain.adoption.message import Writers, about, subject, writers_of
from trueup.domain.adoption.wish import Named, Wish
from trueup.domain.application import ApplicationId
from trueup.domain.errors import StalledError
from trueup.domain.printable import printable
from trueup.domain.redact import Redactor
from trueup.domain.repository import is_ref_name, redact_url
from trueup.domain.shown import shown_field
from trueup.engine.adoption import Left, Proposal, propose
from trueup.engine.adoption_proof import prove
from trueup.engine.compared import compared
from trueup.engine.comparison import Comparison
from trueup.engine.engine import Engine

#: Who commits, where nobody says so.
AUTHOR = Author("Trueup", "trueup@localhost")
#: Of an object that is not accepted, so many of its fields are printed with what live says.
FIELDS_PRINTED_MAX = 20
#: Git itself makes no branches of these names: they mean something else already.
_NO_BRANCHES = frozenset({"HEAD", "FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD"})
_AUTHOR = re.compile(r"(?P<name>[^<>\n]+?)\s*<(?P<email>[^<>\s]+)>")


@dataclass(frozen=True, slots=True)
class Way:
    """In which form the change is wanted."""

    output: Literal["patch", "yaml"] = "patch"
    #: A branch instead of what is printed; empty for none.
    branch: str = ""
    push: bool = False
    #: Whose branch it becomes, where it is not pushed.
    clone: Path = Path()
    #: `NAME <ADDRESS>`; empty is as the environment of git says.
    author: str = ""

    def check(self) -> None:
        """Raise StalledError for what makes no sense together."""
        if self.push and not self.branch:
            raise StalledError("--push is of a branch; name it by --branch")
        if self.branch and (not is_ref_name(self.branch) or self.branch.startswith("-") or self.branch in _NO_BRANCHES):
            raise StalledError(f"--branch {self.branch}: Git has no such name for a branch; correct it")
        self.committer()

    def committer(self) -> Author:
        """Who commits. Raises StalledError for an author that is none."""
        if self.author:
            found = _AUTHOR.fullmatch(self.author.strip())
            if found is None:
                raise StalledError("--author: write it as `NAME <ADDRESS>`")
            return Author(found["name"], found["email"])
        name, email = (os.environ.get(f"GIT_AUTHOR_{part}", "") for part in ("NAME", "EMAIL"))
        return Author(name, email) if name and email else AUTHOR


async def adopt(
    name: str, *, resources: Sequence[str], fields: Sequence[str], way: Way, revision: str | None, namespace: str
) -> bool:
    """Print the change, or make a branch of it; whether everything that was asked for is in it.

    The remote is asked, the cluster is read and asked by dry runs, and neither is written, unless a branch is pushed.
    """
    way.check()
    wish = Wish(tuple(Named.of(text) for text in resources), tuple(fields))
    async with home(namespace) as reached:
        identity = reached.named(name)
        raw = await reached.read(identity)
        writers = await _writers(reached, identity)
        async with engine_at_hand(reached.cluster, raw, reached.settings) as (engine, application):
            redactor = Redactor()
            for value in engine.secret_values_of(application):
                redactor.add(value)
            async with engine.clusters.reached(application) as destination:
                sources = await engine.checkout(application, revisions=revisions_asked(application, revision))
                rendered, comparison = await compared(engine, destination, application, sources)
                comparison.teach(redactor)
                proposal = await propose(destination, sources, rendered, comparison, wish, redactor)
                _say_what_is_left(proposal, redactor)
                if not proposal.taken:
                    _say_that_nothing_is(application.id, comparison, proposal)
                    return not (proposal.left or proposal.unmet)
                message = _message(proposal, application.id, writers, redactor)
                commit = await proposal.checkout.mirror.workbench.commit(
                    proposal.checkout.revision,
                    proposal.files,
                    message=message,
                    author=way.committer(),
                    at=datetime.now(UTC),
                )
                await prove(engine, destination, application, sources, comparison, proposal, commit, redactor)
            await _deliver(engine, application.project, proposal, commit, way, redactor)
    return not (proposal.left or proposal.unmet)


async def _writers(reached: Home, application: ApplicationId) -> Writers:
    """Whom the latest incident names; nobody where there are no records to be read."""
    try:
        kind = await reached.cluster.resource(GROUP, KIND)
        found = await records_of(reached, kind, application)
    except (UnknownKindError, ApiError):
        return {}
    return writers_of(read_record(found[0])) if found else {}


def _message(proposal: Proposal, application: ApplicationId, writers: Writers, redactor: Redactor) -> str:
    keys = [taken.key for taken in proposal.taken]
    paragraphs = [about(taken.key, taken.file, taken.changes, writers) for taken in proposal.taken]
    held = f"Application {application}, compared at {proposal.checkout.revision}."
    return redactor.text("\n\n".join([subject(application.name, keys), *paragraphs, held]) + "\n")


async def _deliver(engine: Engine, project: str, proposal: Proposal, commit: str, way: Way, redactor: Redactor) -> None:
    checkout = proposal.checkout
    bench, url = checkout.mirror.workbench, checkout.mirror.url
    if way.push:
        await bench.push(commit, way.branch, url=url, credentials=engine.credentials_of(url, project))
        print(f"pushed {commit} as branch {way.branch} of {redact_url(url)}")
        return
    if way.branch:
        await bench.hand_over(commit, way.branch, way.clone)
        print(f"made branch {way.branch} at {commit}; push it: git push origin {way.branch}")
        return
    shown = await bench.patch(checkout.revision, commit) if way.output == "patch" else _files(proposal)
    text = shown.decode("utf-8", "replace")
    if redactor.text(text) != text:
        raise StalledError(
            "beside the change the file holds a secret, which is printed nowhere; have a branch made: --branch NAME"
        )
    sys.stdout.buffer.write(shown)
    sys.stdout.buffer.flush()


def _files(proposal: Proposal) -> bytes:
    """Each file as it would be, under its name."""
    return b"".join(
        f"--- # {printable(path)}\n".encode() + change.content.removesuffix(b"\n") + b"\n"
        for path, change in proposal.files.items()
        if change.content is not None
    )


def _say_what_is_left(proposal: Proposal, redactor: Redactor) -> None:
    for left in proposal.left:
        print(f"trueup: {one_line(redactor.text(f'{left.key}: {left.reason}'))}", file=sys.stderr)
        for line in _fields(left, redactor):
            print(f"  {one_line(line)}", file=sys.stderr)
    for sentence in proposal.unmet:
        print(f"trueup: {one_line(sentence)}", file=sys.stderr)


def _fields(left: Left, redactor: Redactor) -> list[str]:
    """What live says at the places that are not accepted, as it may be shown."""
    shown = [shown_field(change, left.key, redactor) for change in left.changes[:FIELDS_PRINTED_MAX]]
    lines = [f"{field.path}: {field.live or 'nothing'}" for field in shown]
    more = len(left.changes) - FIELDS_PRINTED_MAX
    return [*lines, f"and {more} fields more"] if more > 0 else lines


def _say_that_nothing_is(application: ApplicationId, comparison: Comparison, proposal: Proposal) -> None:
    if not (proposal.left or proposal.unmet):
        print(
            f"trueup: {application} has nothing to accept: live is as Git says at {comparison.revision}",
            file=sys.stderr,
        )
