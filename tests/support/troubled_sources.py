"""Sources that cannot be rendered, each with the words that it is told in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.product import config_map

CHART = "apiVersion: v2\nname: {name}\nversion: 1.0.0\n"
SPIN = "{{ range until 100000 }}{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}{{ end }}"
GREEDY = '{{ $x := repeat 2000000000 "aaaaaaaa" }}'
WORDY = '{{ range until 4000 }}# {{ repeat 1000 "x" }}\n{{ end }}'
READS_CLUSTER = '{{ if not (lookup "v1" "Namespace" "" "default") }}{{ fail "no Namespace was found" }}{{ end }}'
READS_NETWORK = '{{ if not (getHostByName "localhost") }}{{ fail "no address was found" }}{{ end }}'
DEPENDS = "dependencies: [{{name: {name}, version: 1.0.0, repository: '{repository}'}}]\n"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a commit puts into a good source's directory, or takes out (None), and what is said of it."""

    kind: Literal["Helm", "Kustomize"]
    files: Mapping[str, str | None]
    words: tuple[str, ...]
    #: Of the Application's source, from the first day on.
    options: Mapping[str, Any] = field(default_factory=dict)
    condition: str = "ComparisonError"

    def sound(self, name: str) -> dict[str, str]:
        """The same source without the trouble: it makes two objects."""
        folder = "templates/" if self.kind == "Helm" else ""
        first = {f"{folder}{one}.yaml": config_map(f"{name}-{one}", at="first") for one in ("a", "b")}
        if self.kind == "Helm":
            return {"Chart.yaml": CHART.format(name="ship"), "values.yaml": "a: 1\n", "v.yaml": "a: 2\n", **first}
        return {"kustomization.yaml": "resources: [a.yaml, b.yaml]\n", **first}

    def second(self, name: str) -> dict[str, str | None]:
        """What makes one object another, and takes the other one out."""
        folder = "templates/" if self.kind == "Helm" else ""
        listed = {} if self.kind == "Helm" else {"kustomization.yaml": "resources: [a.yaml]\n"}
        return {f"{folder}a.yaml": config_map(f"{name}-a", at="second"), f"{folder}b.yaml": None, **listed}

    def mended(self, name: str) -> dict[str, str | None]:
        """After the second and the trouble: what takes the trouble out again."""
        sound = {**self.sound(name), **self.second(name)}
        return {file: sound.get(file) for file in self.files}


def _template(text: str, *words: str) -> Trouble:
    return Trouble("Helm", {"templates/trouble.yaml": text}, words)


def _base(name: str, *words: str, condition: str = "ComparisonError", **files: str) -> Trouble:
    listed = {"kustomization.yaml": f"resources: [a.yaml, '{name}']\n"}
    return Trouble("Kustomize", {**listed, **files}, words, condition=condition)


def _depending(name: str, repository: str, *words: str, condition: str = "ComparisonError", **files: str) -> Trouble:
    described = CHART.format(name="ship") + DEPENDS.format(name=name, repository=repository)
    return Trouble("Helm", {"Chart.yaml": described, **files}, words, condition=condition)


#: Each bound has a name in the settings, which is the way out.
TROUBLES = {
    "spins": _template(SPIN, "spec.source (spins)", "TRUEUP_RENDER_SECONDS_MAX"),
    "eats-memory": _template(GREEDY, "spec.source (eats-memory)", "memory", "make the chart do less"),
    "prints": _template(WORDY, "spec.source (prints)", "TRUEUP_RENDER_OUTPUT_BYTES_MAX"),
    "reads-cluster": _template(
        READS_CLUSTER, "spec.source (reads-cluster)", "ship/templates/trouble.yaml", "no Namespace was found"
    ),
    "reads-network": _template(
        READS_NETWORK, "spec.source (reads-network)", "ship/templates/trouble.yaml", "no address was found"
    ),
    "garbage": _template("\x00\x01 ]] {{ 1 }}: : [", "spec.source (garbage)", "ship/templates/trouble.yaml"),
    "no-base": _base("../nowhere", "no-base/kustomization.yaml", "../nowhere", "commit it"),
    "ring-of-bases": _base(
        "./b", "cycle detected", "take one of the two", **{"b/kustomization.yaml": "resources: [..]\n"}
    ),
    "remote-base": _base(
        "https://example.org/base//x?ref=main",
        "remote-base/kustomization.yaml",
        "example.org/base",
        "TRUEUP_KUSTOMIZE_REMOTE_BASES does not allow",
        condition="InvalidSpecError",
    ),
    "no-dependency": _depending("lib", "", "no-dependency/Chart.yaml", "'lib'", "not in charts/", "commit"),
    "no-local-dependency": _depending("lib", "file://lib", "no chart at no-local-dependency/lib", "correct the path"),
    "nickname": _depending("lib", "@ours", "'@ours'", "known on one machine only", condition="InvalidSpecError"),
    "ring-of-charts": _depending(
        "lib",
        "file://lib",
        "in a ring",
        "ring-of-charts/lib",
        "take one out",
        **{"lib/Chart.yaml": CHART.format(name="lib") + DEPENDS.format(name="ship", repository="file://..")},
    ),
    "broken-values": Trouble("Helm", {"values.yaml": "a: [\n"}, ("cannot load values.yaml", "line")),
    "no-value-file": Trouble(
        "Helm", {"v.yaml": None}, ("spec.source.helm.valueFiles", "v.yaml"), {"helm": {"valueFiles": ["v.yaml"]}}
    ),
    "bad-value-file": Trouble(
        "Helm", {"v.yaml": "- a\n"}, ("bad-value-file/v.yaml",), {"helm": {"valueFiles": ["v.yaml"]}}
    ),
}
