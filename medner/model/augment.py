"""Training text varied as hospitals' text varies: spaCy's augmenter ``medner.hospital_text.v1``.

A sentence is replaced by a varied one, or joined with the sentences before it, so a pass over the corpus stays as long
as it was. Development and test text stay as they are.
"""

import random
from collections.abc import Callable, Iterator, Mapping

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from medner.data import variation as v
from medner.data.records import Entity, Record, without_marks
from medner.data.tokenizer import reference_doc

SPACES = ("  ", "   ", "\t", "\xa0", "\u202f", "\n", "\r\n", "\n\n", " \n")
UNSEEN = ("\u200b", "\u200b", "\u200e", "\ufeff", "\u00ad")
FORMS = (
    "Nume: ........ ",
    "____________\n",
    "Pacientul(a) ................, născut(ă) la ................, ",
    "Le (la) patient(e) ................, né(e) le ................ : ",
    "Analiza\tRezultat\tUM\tInterval\nHemoglobină\t13,2\tg/dl\t12 - 16\n",
    "Examen\tRésultat\tUnité\nGlycémie\t0,92\tg/l\n",
)
BEFORE = ("\uf0b7 ", "\uf0b7 ", "• ", "- ", "1. ", "2) ", "a) ", "* ", "\n", "\ufeff", "  ", *FORMS)
AFTER = ("", "", "\n", "\r\n", "  ", " ..........", "\n________")
JOINED = 5  # sentences at most that a sentence is joined with
NAMES = ("PERSON", "ORG", "LOC")
# By name of their rate: how a sentence varies. A sentence can vary in several ways at once.
WAYS: Mapping[str, Callable[[random.Random], v.Vary]] = {
    "spaces": lambda rng: v.odd_spaces(rng.uniform(0.05, 0.5), SPACES),
    "spaces_in_mentions": lambda rng: v.odd_space_in_mentions(SPACES),
    "lines": lambda rng: v.wrapped(rng.randint(20, 80), rng.choice(("\n", "\r\n", " \n"))),
    "unseen": lambda rng: v.inserted(UNSEEN, 0.15, inside=False),
    "capitals": lambda rng: v.each(str.upper),
    "lower": lambda rng: v.each(str.lower),
    "names": lambda rng: v.mentions_in_capitals(NAMES, 0.7),
    "heading": lambda rng: v.heading_in_capitals(rng.randint(1, 4)),
    "plain": lambda rng: v.each(without_marks),
    "misread": lambda rng: v.each(rng.choice((v.misread, v.misread, v.misread_utf8))),
    "typing": lambda rng: v.typing_errors(rng.uniform(0.01, 0.05)),
    "framed": lambda rng: v.framed(BEFORE, AFTER),
}


@registry.augmenters("medner.hospital_text.v1")  # type: ignore[untyped-decorator]
def hospital_text(
    rates: dict[str, float], joined: float = 0.0, seed: int = 0
) -> Callable[[Language, Example], Iterator[Example]]:
    """The augmenter of the configs. rates: share of the sentences that vary in each of :data:`WAYS`.

    joined: share that is joined with up to :data:`JOINED` sentences that came before, of sources that annotate the same
    labels. The same seed gives the same text. Raises ValueError for a rate without a way.
    """
    if unknown := rates.keys() - WAYS.keys():
        raise ValueError(f"no such variation: {', '.join(sorted(unknown))} (there are {', '.join(WAYS)})")
    rng = random.Random(seed)  # noqa: S311 - no secret
    before: dict[str, list[Record]] = {}

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        reference = example.reference
        record = Record(
            "", "", reference.text, tuple(Entity(e.start_char, e.end_char, e.label_) for e in reference.ents)
        )
        earlier = before.setdefault(str(reference.user_data.get("annotated")), [])
        chosen = [WAYS[name](rng) for name, rate in rates.items() if rng.random() < rate]
        varied = v.varied(record, chosen, rng)
        if earlier and rng.random() < joined:
            parts = [*earlier[-rng.randint(1, JOINED) :], varied]
            varied = v.joined(parts, [rng.choice((" ", " ", "\n", "\n\n")) for _ in parts[1:]])
        earlier[:] = [*earlier[1 - JOINED :], record]
        if varied == record:
            yield example
            return
        doc, _ = reference_doc(nlp, varied)
        doc.user_data.update(reference.user_data)
        yield Example(nlp.make_doc(doc.text), doc)

    return augment
