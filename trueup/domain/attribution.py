"""Who wrote what is live, as far as the API server can tell. Pure.

A field manager is a name that a program gives itself, and anybody can give any: it is never presented as a
person. A person is known only from the audit log of the API server, which authenticated the request.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Stands between somebody and whom that person impersonated.
AS = " as "


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the API server authenticated, as its audit log says (`audit.k8s.io/v1`, Event)."""

    #: Such as `alice`, or `alice as admin`.
    user: str
    groups: tuple[str, ...] = ()
    #: Where the API server's connection came from, such as `10.0.0.7`. Behind `for` stands where the request came
    #: from before, by the word of a proxy, or of anybody: `10.0.0.7 for 203.0.113.9`.
    address: str = ""
    #: What the program said that it is. Anybody can say anything.
    agent: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Whatever people may ask for this one by: of `alice as admin` also either name."""
        return tuple(dict.fromkeys((self.user, *self.user.split(AS, 1))))


@dataclass(frozen=True, slots=True)
class Attribution:
    """The last write of one field."""

    #: The name of the field manager; empty where nobody owns the field.
    manager: str = ""
    #: `Apply` or `Update`; for a person without a manager the verb of the audit log, such as `delete`.
    operation: str = ""
    subresource: str = ""
    #: When, as the API server wrote it (RFC 3339); empty where nobody can tell.
    time: str = ""
    #: Known from an audit event alone.
    person: Person | None = None
    #: Whether the audit event was matched by object and time, and not by the version that it made.
    is_probable: bool = False

    def is_better_than(self, other: Attribution) -> bool:
        """Whether this, of which more was heard, says more of the same write than the other does."""
        if self.person is None or self.manager != other.manager:
            return False
        if other.person is None:
            return other.time in ("", self.time)
        # Of what nobody owns, and of `scale`, the time is that of the event, and the later event is the better one.
        is_owned = bool(self.manager) and self.subresource != "scale"
        if self.time < other.time or (is_owned and self.time != other.time):
            return False
        if self.person == other.person:
            return other.is_probable and not self.is_probable
        return other.is_probable or not self.is_probable

    @property
    def who(self) -> str:
        """The person, such as `alice` or `probably alice`; empty where none is known."""
        if self.person is None:
            return ""
        return f"probably {self.person.user}" if self.is_probable else self.person.user

    @property
    def credit(self) -> str:
        """The same as text, but a manager without a person is called one: `manager kubectl-edit`.

        A program may give itself a person's name.
        """
        return f"manager {self.manager}" if self.person is None and self.manager else str(self)

    def __str__(self) -> str:
        """Such as `alice with kubectl-edit`, `probably alice`, `kubectl-edit` or `unknown`."""
        if self.person is None:
            return self.manager or "unknown"
        return f"{self.who} with {self.manager}" if self.manager else self.who


UNKNOWN = Attribution()

_ACCOUNT = "system:serviceaccount:"
AUTOSCALER = "the HorizontalPodAutoscaler's controller"
#: The controllers of kube-controller-manager that write what others own, by their accounts in kube-system.
_CONTROLLERS = {
    "horizontal-pod-autoscaler": AUTOSCALER,
    "generic-garbage-collector": "the garbage collector",
    "namespace-controller": "the Namespace's controller",
    "deployment-controller": "the Deployment's controller",
    "replicaset-controller": "the ReplicaSet's controller",
    "statefulset-controller": "the StatefulSet's controller",
    "daemon-set-controller": "the DaemonSet's controller",
    "cronjob-controller": "the CronJob's controller",
    "job-controller": "the Job's controller",
    "clusterrole-aggregation-controller": "the ClusterRole's aggregation",
}


def described(manager: str, *, user: str = "", subresource: str = "") -> str:
    """Who that is, in words for people; empty where nobody is known.

    A known controller is called by what it does. By its manager alone it is only said what it looks like; and
    a manager is called one, since a program may give itself a person's name.
    """
    if user.startswith(_ACCOUNT):
        namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
        account = _CONTROLLERS.get(name) if namespace == "kube-system" else None
        user = account or f"the account {name} of {namespace}"
    elif not user and (manager, subresource) == ("kube-controller-manager", "scale"):
        return f"manager {manager}, as {AUTOSCALER} does"
    if not user:
        return f"manager {manager}" if manager else ""
    return f"{user} ({manager})" if manager else user
