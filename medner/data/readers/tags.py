"""BIO tags in which an I- may have no B- before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medner.data.records import Tally

ORPHAN = "I- without B-"  # of a tally, before the label


def without_orphans(tags: Sequence[str], tally: Tally) -> list[str]:
    """The tags with O for every I- without a B- before it; each run of such tags is counted with its label.

    In MoNERo and SiMoNERo such a run is the tail of a discontinuous mention (``complicații macro- și microvasculare``).
    Its head, which has the B-, stays, as in these corpora's own counts.
    """
    clean: list[str] = []
    before = label = ""  # before: label that an I- may continue; label: that of the run of orphans
    for tag in tags:
        prefix, _, name = tag.partition("-")
        if prefix == "I" and name and name != before:
            if name != label:
                tally.quirks[f"{ORPHAN} {name}"] += 1
            before, label = "", name
            clean.append("O")
        else:
            before, label = name, ""
            clean.append(tag)
    return clean


def orphans(quirks: Mapping[str, int]) -> int:
    """How many runs of I- without B- a tally or a split's statistics count."""
    return sum(count for quirk, count in quirks.items() if quirk.startswith(ORPHAN))
