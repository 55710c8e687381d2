"""Kubernetes resource quantities, as far as needed to tell whether two spellings mean one amount.

Grammar: `k8s.io/apimachinery/pkg/api/resource.Quantity`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))"
    r"(?:(?P<suffix>Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)|[eE](?P<exponent>[+-]?\d{1,3}))?"
)

_FACTORS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}


def parse_quantity(value: Any) -> Fraction | None:
    """The amount that a JSON string or number states, or None where it is no quantity."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    amount = Fraction(match["number"])
    if match["suffix"]:
        return amount * _FACTORS[match["suffix"]]
    if match["exponent"]:
        return amount * Fraction(10) ** int(match["exponent"])
    return amount


def same_quantity(one: Any, other: Any) -> bool:
    amount = parse_quantity(one)
    return amount is not None and amount == parse_quantity(other)
