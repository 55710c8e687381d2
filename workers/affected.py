"""What renders have read, from the run that has read it to the index that repository jobs ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueup.clients.applications import ApplicationStore
from trueup.domain.application import Application, ApplicationId
from trueup.domain.followers import Followed
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.read_set import ReadSet
from trueup.engine.readers import Readers
from trueup.engine.sources import Sources

from .context import Worker

Raw = Mapping[str, Any]


def heard_of(store: ApplicationStore, readers: Readers) -> Callable[[Raw | None, Raw | None], None]:
    """An informer's callback that comes after the store's own."""

    def observe(old: Raw | None, new: Raw | None) -> None:
        metadata = as_mapping((new or old or {}).get("metadata"))
        identity = ApplicationId(as_text(metadata.get("namespace")), as_text(metadata.get("name")))
        readers.observe(identity, store.get(identity))

    return observe


async def keep(worker: Worker, application: Application, sources: Sources, reads: Mapping[Followed, ReadSet]) -> None:
    """Let every worker know what a render of the Application at these commits has read.

    Call it before the status names the commit: a status without a read-set is an affected application.
    """
    for followed, revision in sources.followed.items():
        read_set = reads[followed]
        key = worker.readers.learn(application, followed, revision, read_set)
        if key is not None:
            await worker.read_sets.put(key, read_set)
