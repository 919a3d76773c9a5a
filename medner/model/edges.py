"""No entity starts or ends with white space or characters without width: patterns for an attribute ruler after ``ner``.

``ner`` cannot begin an entity with white space, but can end one so. The patterns are data of the saved pipeline, which
needs no code of this package. A token that is cut off keeps its ``ent_type``, which spaCy ignores outside of entities.

(No ``from __future__ import annotations``: spaCy reads the annotations of registered functions.)
"""

from typing import Any

from spacy.util import registry

# White space, and characters without width: soft hyphens, marks of direction and their like.
UNSEEN = r"^[\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+$"
INSIDE, OUTSIDE, BEGIN = 1, 2, 3  # spaCy's numbers


@registry.misc("medner.edges.v1")  # type: ignore[untyped-decorator]
def edge_patterns() -> list[dict[str, Any]]:
    """The patterns. All are matched before any is applied, and later ones have the last word."""
    unseen, seen = {"TEXT": {"REGEX": UNSEEN}}, {"TEXT": {"REGEX": UNSEEN.replace("^[", "[^").replace("]+$", "]")}}
    inside = {**unseen, "ENT_IOB": INSIDE}
    begin = {**unseen, "ENT_IOB": BEGIN}
    word = {**seen, "ENT_IOB": INSIDE}
    gap = {**inside, "OP": "*"}
    patterns = [
        (inside, OUTSIDE, 0, []),  # at the end
        (inside, INSIDE, 0, [gap, word]),  # unless a word of the entity comes after it
        (begin, OUTSIDE, 0, []),
        (begin, BEGIN, -1, [gap, word]),  # the entity begins with its first word
        (begin, OUTSIDE, 1, [inside]),
        (begin, OUTSIDE, 2, [inside, inside]),
    ]
    return [
        {"patterns": [[first, *rest]], "attrs": {"ENT_IOB": value}, "index": index}
        for first, value, index, rest in patterns
    ]
