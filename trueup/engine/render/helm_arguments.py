"""What `helm template` is told, argument by argument.

Parameters are arguments as in Argo CD: no file says the same as `--set`, which reaches into lists and takes
members away. So they can be seen by what runs under the same user; nothing else does in the jail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from trueup.domain.errors import InvalidSpecError
from trueup.domain.source import Helm, HelmParameter
from trueup.engine.render.environment import expanded
from trueup.engine.render.request import Request

RELEASE_NAME_CHARS_MAX = 53
#: Linux takes no single argument that is longer, in bytes.
ARGUMENT_BYTES_MAX = 128 * 1024 - 64
ARGUMENTS_BYTES_MAX = 1024 * 1024
#: Of API versions in one argument, well below `ARGUMENT_BYTES_MAX`.
_API_VERSIONS_MAX = 500

_RELEASE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_API_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9./-]{0,500}")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_LOOSE_COMMA = re.compile(r"(?<!\\),")


def template_arguments(
    request: Request,
    options: Helm,
    environment: Mapping[str, str],
    *,
    values: Sequence[str],
    parameter_files: Sequence[tuple[str, str]],
    with_api_versions: bool,
) -> list[str]:
    """All that comes behind the chart.

    `values` are the paths of value files, the last wins; `parameter_files` names of parameters with
    the paths of the files that hold their values. InvalidSpecError for what no argument can carry.
    """
    field = f"{request.said}.helm"
    found = [f"--name-template={_release_name(request, options)}"]
    namespace = options.namespace or request.target.namespace
    found += [f"--namespace={namespace}"] if namespace else []
    # An old way to write it; Helm would take the plus for the beginning of a build.
    version = (options.kube_version or request.target.kube_version).removesuffix("+")
    found += [f"--kube-version={version}"] if version else []
    found += [f"--set={text}" for text in _set(options.parameters, environment, force_string=False)]
    found += [f"--set-string={text}" for text in _set(options.parameters, environment, force_string=True)]
    found += [f"--set-file={_parameter_name(name, field)}={path}" for name, path in parameter_files]
    found += [f"--values={path}" for path in values]
    if with_api_versions:
        known = _api_versions(request, options)
        chunks = (known[start : start + _API_VERSIONS_MAX] for start in range(0, len(known), _API_VERSIONS_MAX))
        found += [f"--api-versions={','.join(chunk)}" for chunk in chunks]
    found += [] if options.skip_crds else ["--include-crds"]
    found += ["--skip-schema-validation"] if options.skip_schema_validation else []
    found += ["--skip-tests"] if options.skip_tests else []
    _check(found, field)
    return found


def _release_name(request: Request, options: Helm) -> str:
    """Checked here: Helm would take `{{…}}` in it for a template."""
    name = options.release_name or request.target.application
    if len(name) > RELEASE_NAME_CHARS_MAX or not _RELEASE_NAME.fullmatch(name):
        most = f"at most {RELEASE_NAME_CHARS_MAX} of them"
        way_out = f"set {request.said}.helm.releaseName to lowercase letters, digits and dashes, {most}"
        raise InvalidSpecError(f"the release name {name[:100]!r} is none that Helm takes; {way_out}")
    return name


def _set(parameters: Iterable[HelmParameter], environment: Mapping[str, str], *, force_string: bool) -> list[str]:
    given = {one.name: one.value for one in parameters if one.force_string == force_string}
    return [f"{name}={_as_one(expanded(value, environment))}" for name, value in given.items()]


def _as_one(value: str) -> str:
    """A comma begins another parameter for Helm, unless it is escaped or within `{…}`, a list."""
    return value if value.startswith("{") and value.endswith("}") else _LOOSE_COMMA.sub(r"\\,", value)


def _parameter_name(name: str, field: str) -> str:
    """A name must not bring a file of its own along."""
    bare = _ESCAPED.sub("", name)
    if not name or "=" in bare or "," in bare or bare.endswith("\\"):
        raise InvalidSpecError(
            f"{field}.fileParameters has the name {name[:100]!r}; name one parameter, without = or comma"
        )
    return name


def _api_versions(request: Request, options: Helm) -> list[str]:
    if options.api_versions:
        for version in options.api_versions:
            if not _API_VERSION.fullmatch(version):
                said = f"{request.said}.helm.apiVersions has {version[:100]!r}"
                raise InvalidSpecError(f"{said}; write group/version or group/version/Kind")
        return list(options.api_versions)
    return [version for version in request.target.api_versions if _API_VERSION.fullmatch(version)]


def _check(arguments: Iterable[str], field: str) -> None:
    together = 0
    for argument in arguments:
        option, _, rest = argument.partition("=")
        said = f"{field}: {option.lstrip('-')} {rest.partition('=')[0][:100]!r}"
        if "\0" in argument:
            raise InvalidSpecError(f"{said} holds a zero byte; leave it out")
        try:
            size = len(argument.encode())
        except UnicodeEncodeError:
            raise InvalidSpecError(f"{said} is no text; it holds half of a character") from None
        together += size
        if size > ARGUMENT_BYTES_MAX or together > ARGUMENTS_BYTES_MAX:
            raise InvalidSpecError(
                f"{said} is too long for a parameter; move it into {field}.valuesObject or a value file"
            )
