"""How far RONEC v1's annotation agrees with v2's: what a model that learnt from v1 can reach at best on v2's test part.

v1 trains where v2's train part is out of reach, and v2 tests. Sentences that both hold never train; on those of v2's
test part, v1's mentions are scored here against v2's as a model's would be, with the project's labels and with RONEC's
15 classes. The `fetch` step must have run with a mirror or a network that has both.

Example: python benchmarks/ronec_versions.py
"""

from __future__ import annotations

import sys

from ronec_classes import every_class

from medner.command_line import ROOT
from medner.data.labels import CorpusLabels, NameLexicon, Scheme, load_scheme, map_record
from medner.data.overlap import Overlap
from medner.data.readers.ronec import read_ronec
from medner.data.readers.ronec_v1 import read_ronec_v1
from medner.data.records import Entity, Record, Tally
from medner.evaluation.predictions import Prediction
from medner.evaluation.scores import Counts, count, total

FETCHED = ROOT / "assets" / "fetched"
V1, TEST = FETCHED / "ronec_v1" / "ronec_iob.zip", FETCHED / "ronec" / "test.json"


def letters(text: str) -> str:
    """The text without white space, which the two versions set differently."""
    return "".join(text.split())


def spans(record: Record, corpus: CorpusLabels, lexicon: NameLexicon | None) -> tuple[Entity, ...]:
    """The mentions of a record with the labels of a scheme; offsets in :func:`letters`."""
    mapped = map_record(record, corpus, Tally(), path="", lexicon=lexicon)
    return tuple(
        entity._replace(start=len(letters(record.text[: entity.start])), end=len(letters(record.text[: entity.end])))
        for entity in mapped.entities
    )


def agreement(scheme: Scheme, pairs: list[tuple[Record, Record]], train: list[Record]) -> dict[str, Counts]:
    """Counts of v1's mentions against v2's, by label."""
    named = NameLexicon(scheme.titles, scheme.particles).learn(train) if scheme.persons == "named" else None
    v1, v2 = scheme.corpus("ronec-v1"), scheme.corpus("ronec")
    summed = dict.fromkeys(sorted(v2.annotated), Counts())
    for old, new in pairs:
        gold, found = spans(new, v2, named), spans(old, v1, named)
        one = Prediction(new.id, "ronec", new.lang, letters(new.text), gold, found, tokens=())
        summed = {label: summed[label].plus(counts) for label, counts in count(one, v2.annotated).items()}
    return summed


def main() -> None:
    """Print strict precision, recall and F1 of v1's annotation against v2's."""
    if missing := [str(path.relative_to(ROOT)) for path in (V1, TEST) if not path.is_file()]:
        sys.exit(f"{', '.join(missing)}: no such file; run the fetch step with a mirror that holds it")
    test = list(read_ronec(TEST, Tally()))
    train = list(read_ronec_v1(V1, Tally()))
    by_text = {letters(record.text): record for record in train}
    pairs = [(old, record) for record in test if (old := by_text.get(letters(record.text)))]
    overlap = Overlap(record.text for record in test)
    clean = [record for record in train if not overlap.find(record.text)]
    print(f"{len(pairs):,} of {len(test):,} sentences of v2's test part are in v1 with the same letters")
    project = load_scheme(ROOT / "configs" / "labels.yml")
    for title, scheme in (
        (f"{len(project.corpus('ronec').annotated)} labels, persons: {project.persons}", project),
        ("15 classes, persons: all", every_class(project)),
    ):
        print(f"\n{title}: v1 against v2")
        by_label = agreement(scheme, pairs, clean)
        for label, counts in {"all": total(by_label.values()), **by_label}.items():
            print(f"{label:12} P {counts.precision:.3f}  R {counts.recall:.3f}  F1 {counts.f1:.3f}")


if __name__ == "__main__":
    main()
