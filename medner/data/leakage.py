"""Does training text give test text away? Overlapping sentences, and surface forms that occur on both sides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from medner.data.overlap import Overlap, form_key, mention_keys
from medner.data.records import Record
from medner.outputs import Output


class Leakage(Output):
    """What one training file gives away of one test file.

    sentences: ids of test sentences that training holds, with ``(exact)`` or ``(near)``. seen: by label, the share of
    the test file's different forms that training holds. forms: by label, those forms; labels without any are left out.
    """

    sentences: list[str]
    seen: dict[str, float]
    forms: dict[str, list[str]]


LeakageReport = dict[str, Leakage]  # metrics/leakage.json: by "<training file> > <test file>"


def find_leakage(
    train: Iterable[Record],
    test: Iterable[Record],
    labels: Iterable[str],
    exempt: Collection[str] = (),
    overlap: Overlap | None = None,
) -> Leakage:
    """Test sentences that training holds, exactly or nearly (ids and kind), and surface forms on both sides.

    ``seen`` is, by label, the share of the test corpus's different forms (by :func:`form_key`) that training holds;
    exempt forms count neither way.
    overlap: that of the training texts, where it was made for another test corpus already.
    """
    train, test = list(train), list(test)
    labels = list(labels)
    overlap = overlap or Overlap(record.text for record in train)
    sentences = [f"{record.id} ({kind})" for record in test if (kind := overlap.find(record.text))]
    forms = shared_forms(train, test, labels, exempt)
    free = {form_key(form) for form in exempt}
    every = {label: {form_key(r.surface(e)) for r in test for e in r.entities if e.label == label} for label in labels}
    keys = {label: own - free for label, own in every.items()}
    shared = {label: {form_key(form) for form in forms[label]} for label in labels}
    seen = {label: round(len(shared[label]) / len(keys[label]), 4) for label in labels if keys[label]}
    return Leakage(sentences=sentences, seen=seen, forms={label: found for label, found in forms.items() if found})


def shared_forms(
    train: Iterable[Record], test: Iterable[Record], labels: Iterable[str], exempt: Iterable[str] = ()
) -> Mapping[str, list[str]]:
    """By label: the surface forms of test mentions whose key occurs among training mentions of the same label.

    exempt: forms that may occur on both sides (generic nouns).
    """
    free = {form_key(form) for form in exempt}
    seen = mention_keys(train)
    found: dict[str, set[str]] = {label: set() for label in labels}
    for record in test:
        for entity in record.entities:
            form = record.surface(entity)
            key = form_key(form)
            if entity.label in found and key not in free and (entity.label, key) in seen:
                found[entity.label].add(form)
    return {label: sorted(forms) for label, forms in found.items()}
