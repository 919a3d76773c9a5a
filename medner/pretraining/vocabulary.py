"""The tokenizer of an encoder of one's own, and the text that it is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from medner.data.records import CEDILLA_TO_COMMA
from medner.exceptions import InputError
from medner.pretraining.text import Group


@dataclass(frozen=True)
class VocabularyText:
    """Lines to train a tokenizer on: about ``characters`` in all, each group with its weight's share.

    Read from the files whenever it is gone through. A group with less text is read several times, so that its words
    get pieces of their own. Raises InputError for a group without text.
    """

    groups: Sequence[Group]
    characters: int

    def __iter__(self) -> Iterator[str]:
        """The lines, from the first file on."""
        whole = sum(group.weight for group in self.groups)
        for group in self.groups:
            wanted = self.characters * group.weight / whole
            taken = 0
            while taken < wanted:
                before = taken
                for line in group.lines():
                    yield line
                    taken += len(line)
                    if taken >= wanted:
                        break
                if taken == before:
                    raise InputError(f"group {group.name} has no text", remedy="Check its files")


def train_tokenizer(texts: Sequence[str] | VocabularyText, vocabulary: int, letter_count: int = 1) -> Any:
    """A cased WordPiece tokenizer with BERT's layout, trained on texts; cedilla ş/ţ are read as comma-below ș/ț.

    texts: gone through twice, none of them kept. letter_count: how often a letter must occur to be known. Returns a
    ``BertTokenizerFast`` of at most ``vocabulary`` pieces, the same one for the same texts.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: PLC0415
    from transformers import BertTokenizerFast  # noqa: PLC0415

    cedillas = [normalizers.Replace(chr(old), chr(new)) for old, new in CEDILLA_TO_COMMA.items()]
    normalizer = normalizers.Sequence([*cedillas, normalizers.BertNormalizer(lowercase=False, strip_accents=False)])

    def empty(model: Any) -> Any:
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return tokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # The trainer numbers word-inner letters in the order of a hash table, and breaks ties by number: another vocabulary
    # each time. Naming them beforehand fixes the order.
    counts = Counter(letter for text in texts for letter in normalizer.normalize_str(text) if not letter.isspace())
    letters = sorted(letter for letter, number in counts.items() if number >= letter_count)
    inner = [f"##{letter}" for letter in letters]
    trained = empty(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a word-piece, no password
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*special, *inner],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    tokenizer = empty(models.WordPiece(vocab=trained.get_vocab(), unk_token="[UNK]"))  # noqa: S106
    tokenizer.decoder = decoders.WordPiece()
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return BertTokenizerFast(
        tokenizer_object=tokenizer,
        do_lower_case=False,
        strip_accents=False,
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
    )
