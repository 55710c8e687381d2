"""What differs and looks the same: letters composed in another way, letters of another script, and what shows nothing.

Source: the normal form C of Unicode (UAX #15), its code points that are shown as nothing
(`Default_Ignorable_Code_Point`) and are printable for Python all the same, and of its confusable letters (UTS #39)
those that Latin text is imitated with.
"""

from __future__ import annotations

import re
import unicodedata

from trueup.domain.diffview.words import common_ends

#: Of either text so many code points are named.
NAMED_MAX = 3

_SHOWS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_CYRILLIC = "АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁԛԝ"
_GREEK = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρ"
_LATIN = str.maketrans(_CYRILLIC + _GREEK, "ABESIJKMHOPCTYXaesijopcyxhdqw" + "ABEZHIKMNOPTYXovp")


def alike_note(live: str, git: str) -> str:
    """What to say of two lines that look the same and are not; nothing where people see the difference."""
    if live == git or (live.isascii() and git.isascii()) or _look(live) != _look(git):
        return ""
    start, end = common_ends(live, git)
    one, other = (side[start : len(side) - end] for side in (live, git))
    if len(one) == len(other):
        # Each letter stands for another one: between those that differ nothing needs to be said.
        pairs = dict.fromkeys(pair for pair in zip(one, other, strict=True) if pair[0] != pair[1])
        one, other = ("".join(letters) for letters in zip(*pairs, strict=True))
    return f"looks alike: {_named(one)} against {_named(other)}"


def _look(text: str) -> str:
    return _SHOWS_NOTHING.sub("", unicodedata.normalize("NFC", text)).translate(_LATIN)


def _named(text: str) -> str:
    named = " ".join(f"U+{ord(char):04X}" for char in text[:NAMED_MAX])
    return f"{named} …" if len(text) > NAMED_MAX else named or "nothing"
