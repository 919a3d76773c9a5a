"""What the tag columns of MoNERo and SiMoNERo have in common."""

from __future__ import annotations

from collections.abc import Sequence

from medner.data.records import Tally


def without_orphans(tags: Sequence[str], tally: Tally) -> list[str]:
    """The tags with O in place of every I- that continues nothing; each run of them is counted with its label.

    In these corpora such a run is the tail of a discontinuous mention (``complicații macro- și microvasculare``). Its
    head, which carries the B-, stays: that is how the corpora's own counts take it.
    """
    clean: list[str] = []
    before = label = ""  # before: label that an I- may continue; label: that of the orphans just passed
    for tag in tags:
        prefix, _, name = tag.partition("-")
        if prefix == "I" and name and name != before:
            if name != label:
                tally.quirks[f"I- without B- {name}"] += 1
            before, label = "", name
            clean.append("O")
        else:
            before, label = name, ""
            clean.append(tag)
    return clean
