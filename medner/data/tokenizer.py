"""The tokenizer that the trained pipelines carry: spaCy's multi-language rules plus those below.

An entity that starts or ends inside a token can be neither learnt nor found, so the rules split more than spaCy's.
Splitting an entity into more tokens does no harm. The rules are data of ``nlp.tokenizer``: they are set before
initialisation and saved with the pipeline, which loads without this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import cast

import spacy
from spacy.language import Language
from spacy.tokenizer import Tokenizer  # type: ignore[import-not-found]
from spacy.tokens import Doc
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex, registry
from spacy.vocab import Vocab

from medner.data.records import Record
from medner.data.variation import MARKS, misread_utf8

_FURTHER = "ĂȘȚŞŢŒŠŽ"  # letters beyond Latin-1
_UPPER = "A-ZÀ-ÖØ-Þ" + _FURTHER
_LOWER = "a-zß-öø-ÿ" + _FURTHER.lower()
_LETTER = _UPPER + _LOWER
# UTF-8 read as Windows-1252: each mark is two or three characters, and stays one token.
_MISREAD_MARK = f"(?:{'|'.join(map(misread_utf8, MARKS))})"
_MISREAD_INSIDE = f"(?!{'|'.join(map(misread_utf8, '‘’'))}){_MISREAD_MARK}"
_APOSTROPHES = ["['’ʼ‘`]", *map(misread_utf8, "‘’")]

# French elision, also after a hyphen or slash: l'|Hôpital, d’|insuffisance, qu'|elle, jusqu'|au. And Italian, in names:
# dall'|Aquila, nell'|Adige, all'|Opera.
_ELIDED = [r"\b[cdjlmnstCDJLMNST]", "[qQ][uU]", r"\b[aA]ll", r"\b(?:[dD]all|[dD]ell|[nN]ell|[sS]ull)"]
_ELISION = [rf"(?<={word}{mark})(?=[{_LETTER}0-9])" for word in _ELIDED for mark in _APOSTROPHES]
# Sentences, headlines and times glued together, as on the web: UCLA.|Buffy, Brasov|În, 03:19|Replica, rival|.|mai.
# What could be one word or abbreviation stays whole: S.U.A, McDonald, B12, HbA1c, 7.5.
_GLUED = [
    rf"(?<=[{_LETTER}0-9)\]”\"»])[.!?…](?=[„”“\"«(]?[{_UPPER}][{_LOWER}])",
    rf"(?<=[)\]”\"»])[.!?](?=[{_LETTER}])",
    rf"(?<=[{_UPPER}]{{2}})\.(?=[{_UPPER}]{{2}})",
    rf"(?<=[{_LETTER}][{_LOWER}])\.(?=[0-9]|[{_LETTER}][{_LOWER}])",
    rf"(?<=[{_LOWER}]{{3}})(?=[{_UPPER}][{_LOWER}]{{2}}|În?\b|[0-9]{{1,2}}:[0-9])",
    rf"(?<=[0-9])(?=[{_UPPER}][{_LOWER}]{{2}})",
]
_PUNCTUATION = r"[„”“\"«»()\[\]{}<>,;:!?…•|=+*/\\–—−]"
_HYPHEN = rf"(?<=[{_LETTER}0-9.)\]”\"»])[-‐‑](?=[{_LETTER}0-9„”“\"«(])"
_EDGE = "[-‐‑'’`@#]"
# What files from word processors and the web have at the edges of words, and is no part of them: soft hyphens, marks
# of no width or of direction, and private-use characters, which are bullets. Within a word they split nothing.
_UNSEEN = r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+"
_PRIVATE = r"[\ue000-\uf8ff]"
# A letter of UTF-8 read as Windows-1252 is two characters, and the second is often punctuation or a symbol, at which no
# word is split: pÃ©riode, bunÄƒ. Nor is a mark: lâ€™. The encoder reads them (medner/model/normalisation.py).
_LETTERS = (*map(chr, range(0xC0, 0x100)), *_FURTHER, *_FURTHER.lower())
_MISREAD = sorted({misread_utf8(letter)[:length] for letter in (*_LETTERS, *MARKS) for length in (2, 3)}, key=len)
_WHOLE = "".join(f"(?!.(?<={'|'.join(group)}))" for _, group in groupby(_MISREAD, key=len))
_RUN = r"(?P<run>[-_=*#~.·•…])(?P=run){3,}"  # leaders and rules are one token


def set_rules(nlp: Language) -> None:
    """Give ``nlp.tokenizer`` the project's prefix, suffix and infix rules."""
    defaults = nlp.Defaults
    # A final full stop is a token, also after S.U.A: "virus B." and "U.R.S.S.." need the boundary before it. The rule
    # for ".." would include the abbreviation's full stop.
    suffixes = [str(rule) for rule in defaults.suffixes or [] if rule != r"\.\.+"]
    infixes = [_RUN, *_ELISION, _MISREAD_INSIDE, *_GLUED, _PUNCTUATION, _HYPHEN, *map(str, defaults.infixes or [])]
    prefixes = [_RUN, _MISREAD_MARK, _UNSEEN, _PRIVATE, _PUNCTUATION, _EDGE, *(defaults.prefixes or [])]
    suffixes = [_RUN, r"\.{3,}", _MISREAD_MARK, _UNSEEN, _PRIVATE, _PUNCTUATION, _EDGE, r"\.", *suffixes]
    tokenizer = cast(Tokenizer, nlp.tokenizer)
    tokenizer.infix_finditer = compile_infix_regex([f"{_WHOLE}(?:{'|'.join(infixes)})"]).finditer
    tokenizer.prefix_search = compile_prefix_regex(prefixes).search
    tokenizer.suffix_search = compile_suffix_regex([f"{_WHOLE}(?:{'|'.join(suffixes)})"]).search
    tokenizer.url_match = None  # a domain is often an organisation's name: ziare.com
    tokenizer.rules = {}  # emoticons: "8)" at the end of "(str. Horea nr. 8)"


@registry.callbacks("medner.tokenizer.v1")  # type: ignore[untyped-decorator]
def tokenizer_callback() -> Callable[[Language], None]:
    """The callback of ``[initialize.before_init]`` in the configs, which sets the rules of the pipeline to train."""
    return set_rules


def blank(vocab: Vocab | bool = True) -> Language:
    """An empty multi-language pipeline with the project's tokenizer. vocab: another pipeline's, to be shared."""
    nlp = spacy.blank("xx", vocab=vocab)
    set_rules(nlp)
    return nlp


def reference_doc(nlp: Language, record: Record) -> tuple[Doc, list[int]]:
    """A gold ``Doc`` with every entity of the record, and the indices of the entities off token boundaries.

    The text is tokenised with ``nlp``'s tokenizer. A token inside which an entity starts or ends is split there, so no
    gold mention is lost in training and evaluation: a pipeline that cannot make that boundary misses the mention.
    """
    doc = nlp.make_doc(record.text)
    starts = {token.idx for token in doc}
    ends = {token.idx + len(token) for token in doc}
    off = [n for n, e in enumerate(record.entities) if e.start not in starts or e.end not in ends]
    if off:
        cuts = {cut for entity in record.entities for cut in (entity.start, entity.end)}
        doc = _split(doc, cuts)
    spans = [doc.char_span(e.start, e.end, label=e.label) for e in record.entities]
    doc.set_ents([span for span in spans if span is not None])
    if len(doc.ents) != len(record.entities):
        raise ValueError(f"record {record.id!r}: an entity could not be placed on tokens")
    return doc, off


def _split(doc: Doc, cuts: set[int]) -> Doc:
    words: list[str] = []
    spaces: list[bool] = []
    for token in doc:
        inside = sorted(cut - token.idx for cut in cuts if token.idx < cut < token.idx + len(token))
        for start, end in zip([0, *inside], [*inside, len(token)], strict=True):
            words.append(token.text[start:end])
            spaces.append(bool(token.whitespace_) and end == len(token))
    return Doc(doc.vocab, words=words, spaces=spaces)


def ceiling(nlp: Language, records: Iterable[Record]) -> dict[str, tuple[int, int]]:
    """By label: entities whose start and end are token boundaries of ``nlp.make_doc(text)``, and all entities.

    Their ratio is the highest recall that a model with this tokenizer can reach.
    """
    counts: dict[str, tuple[int, int]] = {}
    for record in records:
        off = set(reference_doc(nlp, record)[1])
        for number, entity in enumerate(record.entities):
            on, total = counts.get(entity.label, (0, 0))
            counts[entity.label] = (on + (number not in off), total + 1)
    return dict(sorted(counts.items()))
