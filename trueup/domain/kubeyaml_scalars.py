"""What a YAML scalar means to Kubernetes.

kubectl, Argo CD and the API server read YAML 1.1 through go-yaml and turn it into JSON; PyYAML's
own resolvers disagree with them on `12:30`, `1e3`, `0o17`, `y`, dates and more. These rules follow
the Go side, and the golden test holds them against a real kubectl.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from decimal import Decimal

Scalar = str | int | float | bool | None

TAG_PREFIX = "tag:yaml.org,2002:"
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
UINT64_MAX = 2**64 - 1
#: From here on Go writes a float with an exponent, and what has an exponent is never an integer again.
FLOAT_PLAIN_MAX = 1e21

_WORDS: dict[str, tuple[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null", None)),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), ("bool", True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), ("bool", False)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), ("float", math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), ("float", math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), ("float", -math.inf)),
}
_NUMBER_STARTS = frozenset("+-0123456789")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[oO](?P<oct>[0-7]+)|0[bB](?P<bin>[01]+)"
    r"|(?P<legacy>0[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
# go-yaml tries the digits after `0b` once more on their own, which lets a sign stand there.
_SIGNED_BINARY = re.compile(r"0b([-+][01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT_FLOAT = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_BASES = {"hex": 16, "oct": 8, "bin": 2, "legacy": 8, "dec": 10}
_CHECKED_TAGS = frozenset(TAG_PREFIX + name for name in ("bool", "int", "float", "null", "timestamp"))


class ScalarError(ValueError):
    """A scalar that kubectl refuses; the message never repeats the scalar."""


def resolve(tag: str | None, value: str) -> Scalar:
    """The value of a scalar that is plain, or that carries a tag.

    A tag outside YAML's own set makes a string of its scalar, as it does in kubectl.
    """
    if tag is None:
        return _resolve_plain(value)[1]
    if tag == TAG_PREFIX + "binary":
        return _binary(value)
    if tag not in _CHECKED_TAGS:
        return value
    wanted = tag.removeprefix(TAG_PREFIX)
    if wanted == "timestamp" and _TIMESTAMP.fullmatch(value):
        return value
    found, resolved = _resolve_plain(value)
    if wanted == "float" and isinstance(resolved, int) and found == "int" and resolved <= INT64_MAX:
        return float(resolved)
    if found != wanted:
        raise ScalarError(f"a scalar tagged !!{wanted} does not hold one")
    return resolved


def json_value(value: Scalar) -> Scalar:
    """The scalar as it arrives in Kubernetes: through Go's JSON, where `1.0` and `1e3` are integers.

    ScalarError for what JSON cannot say.
    """
    if isinstance(value, float):
        return _json_float(value)
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        return float(value)
    return value


def json_key(value: Scalar) -> str:
    """A mapping's key as the string that JSON needs; ScalarError where kubectl has none for it."""
    if isinstance(value, str):
        return value
    if value is None:
        raise ScalarError("a mapping has null for a key; quote it")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value > INT64_MAX:
            raise ScalarError("a mapping has an integer beyond 64 bits for a key; quote it")
        return str(value)
    return _float32_key(value)


def _resolve_plain(value: str) -> tuple[str, Scalar]:
    word = _WORDS.get(value)
    if word is not None:
        return word
    first = value[0]
    if first in _NUMBER_STARTS:
        return _number(value)
    if first == "." and _POINT_FLOAT.fullmatch(value):
        return _finite(value.replace("_", ""), value)
    return "str", value


def _number(value: str) -> tuple[str, Scalar]:
    plain = value.replace("_", "")
    integer = _integer(plain)
    if integer is not None:
        return "int", integer
    if _FLOAT.fullmatch(plain):
        return _finite(plain, value)
    signed = _SIGNED_BINARY.fullmatch(plain)
    if signed is not None and INT64_MIN <= int(signed[1], 2) <= INT64_MAX:
        return "int", int(signed[1], 2)
    return "str", value


def _integer(plain: str) -> int | None:
    """None as well for what fits in 64 bits neither signed nor, bare of a sign, unsigned."""
    match = _INTEGER.fullmatch(plain)
    if match is None or match.lastgroup is None:
        return None
    digits, base = match[match.lastgroup], _BASES[match.lastgroup]
    # More digits than 64 binary ones cannot fit once leading zeros are gone, and int() is slow on them.
    digits = digits.lstrip("0") or "0"
    if len(digits) > 64:
        return None
    number = int(match["sign"] + digits, base)
    top = INT64_MAX if match["sign"] else UINT64_MAX
    return number if INT64_MIN <= number <= top else None


def _finite(text: str, original: str) -> tuple[str, Scalar]:
    number = float(text)
    return ("str", original) if math.isinf(number) else ("float", number)


def _binary(value: str) -> str:
    try:
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True).decode()
    except binascii.Error:
        raise ScalarError("a scalar tagged !!binary is not base64") from None
    except UnicodeDecodeError:
        raise ScalarError("a scalar tagged !!binary holds bytes that JSON cannot carry; use binaryData") from None


def _json_float(value: float) -> int | float:
    if not math.isfinite(value):
        raise ScalarError("JSON knows neither .nan nor .inf; quote it")
    if value.is_integer() and abs(value) < FLOAT_PLAIN_MAX:
        # The shortest digits that name the float are what is written, not its exact value.
        integer = int(Decimal(repr(value)))
        if INT64_MIN <= integer <= INT64_MAX:
            return integer
    return value


def _float32_key(value: float) -> str:
    """Go's `strconv.FormatFloat(value, 'g', -1, 32)`, with YAML's names for what is not finite."""
    if math.isnan(value):
        return ".nan"
    try:
        single = _as_single(value)
    except OverflowError:
        single = math.copysign(math.inf, value)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    if single == 0:
        return "-0" if math.copysign(1, single) < 0 else "0"
    shortest = next(text for text in (f"{single:.{n}e}" for n in range(9)) if _as_single(float(text)) == single)
    return f"{Decimal(shortest):f}" if -4 <= int(shortest.partition("e")[2]) < 6 else shortest


def _as_single(value: float) -> float:
    single: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return single
