"""Applications of a repository of their own, from a first state to a second one that prunes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.bad_input import fresh, gone, healed
from tests.support.git import git
from tests.support.product import AUTOMATED, Installation, Repo, config_map

#: Tried again soon, for as long as a trouble lasts in a test; the sweep does not help.
PATIENT = {
    "TRUEUP_RETRY_SECONDS_MIN": "0.2",
    "TRUEUP_RETRY_SECONDS_MAX": "0.5",
    "TRUEUP_ATTEMPTS_MAX": "100",
    "TRUEUP_FETCH_SECONDS_MAX": "2",
    "TRUEUP_LIST_SECONDS_MAX": "2",
}


@dataclass
class Ship:
    """An application of a repository of its own."""

    trueup: Installation
    name: str
    #: As the Application names the repository.
    url: str
    repository: Repo
    #: Two objects: the second state has another content of one, and not the other.
    stays: str
    goes: str

    @classmethod
    async def make(cls, trueup: Installation, word: str) -> Ship:
        repository = await trueup.repository()
        return cls(trueup, fresh(word), repository.url, repository, fresh("stays"), fresh("goes"))

    @property
    def files_at_first(self) -> dict[str, str | None]:
        return {"app/stays.yaml": config_map(self.stays, at="first"), "app/goes.yaml": config_map(self.goes)}

    @property
    def files_at_second(self) -> dict[str, str | None]:
        return {"app/stays.yaml": config_map(self.stays, at="second"), "app/goes.yaml": None}

    async def first(self) -> str:
        """Push the first state; its revision."""
        return await self.repository.push(self.files_at_first)

    async def second(self) -> str:
        """Push the second state; its revision."""
        return await self.repository.push(self.files_at_second)

    async def apply(self, revision: str = "main") -> dict[str, Any]:
        source = {"repoURL": self.url, "path": "app", "targetRevision": revision}
        return await self.trueup.apply(self.name, self.url, source=source, syncPolicy=AUTOMATED)

    async def sail(self, revision: str = "main") -> str:
        """Push the first state, and wait until the application has it; its revision."""
        first = await self.first()
        if revision != "main":
            await self.tag(revision)
        await self.apply(revision)
        await healed(self.trueup, self.name, first)
        return first

    async def tag(self, name: str, *, annotated: bool = False) -> None:
        """Put the tag where HEAD is, wherever it was."""
        await self.git("tag", "--force", *(["-m", "Release"] if annotated else []), name)
        await self.git("push", "-q", "--force", "origin", f"refs/tags/{name}")

    async def git(self, *arguments: str) -> str:
        """Run git in the clone."""
        return await git(self.repository.work, *arguments)

    async def announce(self, ref: str = "refs/heads/main", **more: str) -> None:
        """Deliver a webhook."""
        assert await self.trueup.webhook(self.url, ref=ref, **more) == 202

    async def is_as_at_first(self) -> None:
        live = await self.trueup.live("ConfigMap", self.stays)
        assert live is not None
        assert live["data"] == {"at": "first"}
        assert await self.trueup.live("ConfigMap", self.goes) is not None, "nothing is pruned"

    async def is_as_at_second(self, revision: str) -> None:
        """Wait for it."""
        await healed(self.trueup, self.name, revision)
        live = await self.trueup.live("ConfigMap", self.stays)
        assert live is not None
        assert live["data"] == {"at": "second"}
        await gone(self.trueup, "ConfigMap", self.goes)
