"""Rules that an encoder's tokenizer applies before it splits text into word-pieces, for text as hospitals have it.

The rules are data of ``tokenizer.json``: a saved pipeline has them, and needs no code of this package. Offsets stay
those of the caller's text, since the `tokenizers` library keeps track of every replacement.
"""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from medner.data.variation import MARKS, misread_utf8

# What Python calls white space (spaCy makes tokens of it), but for the space.
SPACES = "\t\n\x0b\x0c\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Control, private and unassigned characters. Format characters (soft hyphen, zero-width, bidirectional marks) are not
# among them: they are deleted wherever they are.
UNREADABLE = r"\p{Co}\p{Cn}\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
BULLETS = "•●◦‣·▪■□▫◾►▶➢➤✓✔❖◆"
SUBSTITUTES = "•●*-."  # for bullets and unreadable characters: the first one that the vocabulary has
LIGATURES = "ﬀﬁﬂﬃﬄﬅﬆ"
# Windows-1250 read as Latin-1: the letters of the two in the same place.
MISDECODED = {"ã": "ă", "Ã": "Ă", "þ": "ț", "Þ": "Ț"}
MISDECODED_BESIDE_LETTERS = {"º": "ș", "ª": "Ș"}  # elsewhere they are ordinals: Nº 5
LATIN = (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))
LONGEST_RUN = 3  # of the same punctuation mark; leaders of a form have dozens
CAPITALS = 6  # letters of the word that shows that a run of capitalised words is not a list of abbreviations
MARK = "\ue000"


def normalise(tokenizer: Any) -> None:
    """Put the rules before those that a fast tokenizer has. tokenizer: of transformers; it is changed.

    A character that the vocabulary lacks is replaced by one that it has, where there is one. Text that the tokenizer
    reads whole already gets the same word-pieces as before, unless words of it are in capitals throughout.
    """
    from tokenizers import normalizers  # noqa: PLC0415 - slow to import

    backend = tokenizer.backend_tokenizer
    known = set("".join(piece.removeprefix("##") for piece in backend.get_vocab()))
    rules = [_replace(*rule) for rule in (*_characters(known), *_runs(), *_capitals(known))]
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), *rules, *_without_cleaning(backend.normalizer)])


def _without_cleaning(normalizer: Any) -> list[Any]:
    """The normaliser, if there is one, without BERT's ``clean_text``.

    It deletes control characters, and every character that Unicode did not have some years ago, such as emoji. A token
    of such characters alone would have no word-piece.
    """
    if normalizer is None:
        return []
    state = json.loads(normalizer.__getstate__())
    for one in (state, *state.get("normalizers", [])):
        if "clean_text" in one:
            one["clean_text"] = False
    normalizer.__setstate__(json.dumps(state).encode())
    return [normalizer]


def _replace(pattern: str, content: str) -> Any:
    from tokenizers import Regex, normalizers  # noqa: PLC0415

    return normalizers.Replace(pattern if len(pattern) <= 2 else Regex(pattern), content)


def _characters(known: set[str]) -> Iterator[tuple[str, str]]:
    """Rules for single characters: a pattern, and what replaces it."""
    substitute = next((mark for mark in SUBSTITUTES if mark in known), "")
    word = r"[\p{L}\p{M}\p{N}]"
    for letter in sorted(letter for letter in known if "\xbf" < letter < "\u0250" or letter in MARKS):
        wrong = misread_utf8(letter)
        # Misread, à ends with a no-break space. It stays: spaCy makes a token of it, and à belongs to the token before.
        yield f"{wrong[0]}(?=\xa0)" if wrong[1] == "\xa0" else wrong, letter
    yield f"[{SPACES}]", " "
    yield r"\p{Cf}+", ""
    yield rf"(?<={word})[{UNREADABLE}]+(?={word})", ""
    yield rf"[{UNREADABLE}\ufffd]", f" {substitute} "
    if unknown := "".join(mark for mark in BULLETS if mark not in known):
        yield f"[{unknown}]", substitute
    for ligature in LIGATURES:
        if ligature not in known:
            yield ligature, unicodedata.normalize("NFKC", ligature)
    for wrong, right in MISDECODED.items():
        if wrong not in known and right in known:
            yield wrong, right
    for wrong, right in MISDECODED_BESIDE_LETTERS.items():
        if wrong not in known and right in known:
            yield rf"{wrong}(?=\p{{Ll}})|(?<=\p{{L}}{{2}}){wrong}", right
    bases = defaultdict(list)
    for letter in map(chr, LATIN):
        base = unicodedata.normalize("NFD", letter)[0]
        if base != letter and letter not in known and letter not in MISDECODED and base in known:
            bases[base].append(letter)
    for base, letters in sorted(bases.items()):
        yield f"[{''.join(letters)}]", base


def _runs() -> Iterator[tuple[str, str]]:
    """The rule for what would fill a window with word-pieces that say nothing: leaders and rules."""
    yield rf"([-_=*#~.·•…])\1{{{LONGEST_RUN - 1}}}\K\1+", ""


def _capitals(known: set[str]) -> Iterator[tuple[str, str]]:
    """Rules for words in capitals, which the encoder has hardly read.

    From five words on, all letters but the first become small, as in a sentence. A shorter run is more often a name:
    all letters but the first of each word become small. A run without a word of :data:`CAPITALS` letters may be a list
    of abbreviations, and stays. Each letter to change gets a mark first; a letter with a mark becomes small then.
    """
    long_word = rf"(?=\P{{Ll}}*?\p{{Lu}}{{{CAPITALS}}})"
    sentence = rf"(?<!\p{{L}}){long_word}(?=(?:\p{{Lu}}+\P{{L}}+){{4,}}\p{{Lu}}{{2,}})"
    yield rf"(?:{sentence}|\G(?!\A))\P{{Ll}}*?\p{{Lu}}\P{{Ll}}*?\K(?=\p{{Lu}}(?!\p{{Ll}}))", MARK
    yield rf"(?:(?<!\p{{L}}){long_word}|\G(?!\A))\P{{Ll}}*?\p{{Lu}}\K(?=\p{{Lu}}(?!\p{{Ll}}))", MARK
    for small in sorted(known):
        capital = small.upper()
        if len(capital) == 1 and capital != small and capital.lower() == small:
            yield MARK + capital, small
    yield MARK, ""
