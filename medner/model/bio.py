"""``medner_bio``: a spaCy component that finds entities with BIO tags and a linear-chain CRF.

Unlike ``ner`` it gives every entity a probability, and it learns from corpora that annotate different labels.

This file imports spaCy, thinc and torch alone, so that ``spacy package --code medner/model/bio.py`` can put it into a
pipeline's wheel. (No ``from __future__ import annotations``: spaCy reads the annotations of registered functions.)
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from unicodedata import category

import numpy as np
import torch
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example, validate_get_examples
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Config, Dropout, Linear, Model, chain, torch2xp, with_array, xp2torch, zero_init
from thinc.types import Floats2d
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

FACTORY = "medner_bio"  # in a pipeline's config
ANNOTATED = "annotated"  # key of a gold document's user data: the labels that its source annotates
SPANS = "entities"  # key of doc.spans
UNANNOTATED = 0.05  # the default of ``make_bio``
SAMPLE = 10  # documents that the model's sizes are taken from
FORBIDDEN = -1e4  # a log-score whose exponential is 0; infinity would give gradients that are no numbers

# --- The CRF ----------------------------------------------------------------------------------------------------------
# Tags are numbers: 0 is O, 2n + 1 is B- and 2n + 2 is I- of label n.


def _is_forbidden(tags: int) -> Tensor:
    """Which tag may not follow which, [tags + 1, tags]: I-X only follows B-X and I-X. The last row is the start."""
    forbidden = torch.zeros(tags + 1, tags, dtype=torch.bool)
    forbidden[:, 2::2] = True
    for inside in range(2, tags, 2):
        forbidden[[inside - 1, inside], inside] = False
    return forbidden


@dataclass(frozen=True)
class Lattice:
    """All BIO tag sequences of a batch of sentences, under a linear-chain CRF (Lafferty, McCallum & Pereira 2001).

    A sequence's score is the sum of its tags' scores and its transitions'; its probability is proportional to the
    exponential of that.

    emissions: score of every tag of every token, [sentences, tokens, tags]; at least one token, padded at the end.
    transitions: score of a tag (column) after another (row), [tags + 1, tags]; the last row is the sentence's start.
    Those that BIO forbids are ignored. lengths: number of tokens of every sentence, [sentences]; a sentence of none
    has one sequence.
    """

    emissions: Tensor
    transitions: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, emissions: Sequence[Tensor], transitions: Tensor) -> "Lattice":
        """From the emissions of every sentence, [tokens, tags] each."""
        lengths = torch.tensor([len(sentence) for sentence in emissions], device=transitions.device)
        padded = pad_sequence([*emissions, transitions[:1]], batch_first=True)[:-1]  # with one token at least
        return cls(padded, transitions, lengths)

    def at(self, temperature: float) -> "Lattice":
        """The same with all scores divided by a temperature: above 1 probabilities move together."""
        return Lattice(self.emissions / temperature, self.transitions / temperature, self.lengths)

    def double(self) -> "Lattice":
        """The same in double precision, which long texts need: their scores are sums over all tokens."""
        return Lattice(self.emissions.double(), self.transitions.double(), self.lengths)

    def log_partition(self) -> Tensor:
        """Logarithm of the sum of all sequences' exponentiated scores, [sentences]."""
        return torch.where(self.lengths > 0, self._forward()[-1].logsumexp(1), 0.0)

    def log_likelihood(self, known: Tensor) -> Tensor:
        """Log-probability of what is known of the tags, [sentences].

        known: logarithm of every tag's weight, of the emissions' shape; 0 where a tag is possible and FORBIDDEN where
        it is not. With one possible tag for every token this is the usual log-likelihood of a CRF; with more it sums
        over all sequences that agree with what is known (Tsuboi et al. 2008), each counted with its tags' weights.
        """
        return Lattice(self.emissions + known, self.transitions, self.lengths).log_partition() - self.log_partition()

    def viterbi(self) -> Tensor:
        """The tags of every sentence's best sequence, [sentences, tokens]; padding has tags without a meaning."""
        start, steps = self._transitions()
        best = start + self.emissions[:, 0]
        same = torch.arange(best.shape[1], device=best.device).expand_as(best)
        origins = []
        for token in range(1, self.emissions.shape[1]):
            score, origin = (best[:, :, None] + steps).max(dim=1)
            inside = (token < self.lengths)[:, None]
            best = torch.where(inside, score + self.emissions[:, token], best)
            origins.append(torch.where(inside, origin, same))
        tags = [best.argmax(dim=1, keepdim=True)]
        for origin in reversed(origins):
            tags.append(origin.gather(1, tags[-1]))
        return torch.cat(tags[::-1], dim=1)

    def span_log_probability(self, spans: Tensor) -> Tensor:
        """Log-probability of each span: that the tokens are one entity with this label, whole and not longer.

        spans: sentence, first token, token after the last, and label of each, [spans, 4]. Returns [spans].
        """
        _, steps = self._transitions()
        alpha, beta = torch.stack(self._forward(), dim=1), torch.stack(self._backward(), dim=1)
        sentence, first, end, label = spans.unbind(1)
        begin, inside = 2 * label + 1, 2 * label + 2
        score = alpha[sentence, first, begin]
        longest = int((end - first).max()) if len(spans) else 1
        for offset in range(1, longest):
            token = (first + offset).clamp(max=end - 1)
            step = steps[begin if offset == 1 else inside, inside] + self.emissions[sentence, token, inside]
            score = score + torch.where(first + offset < end, step, 0.0)
        last, after = torch.where(end - first == 1, begin, inside), end.clamp(max=alpha.shape[1] - 1)
        rest = steps[last] + self.emissions[sentence, after] + beta[sentence, after]
        rest = rest.scatter(1, inside[:, None], FORBIDDEN).logsumexp(1)  # all ways on that do not make it longer
        score = score + torch.where(end < self.lengths[sentence], rest, 0.0)
        return score - alpha[:, -1].logsumexp(1)[sentence]

    def _transitions(self) -> tuple[Tensor, Tensor]:
        """Scores of a first tag, [tags], and of a tag after another, [tags, tags]."""
        tags = self.transitions.shape[1]
        table = self.transitions.masked_fill(_is_forbidden(tags).to(self.transitions.device), FORBIDDEN)
        return table[tags], table[:tags]

    def _forward(self) -> list[Tensor]:
        """By token, [sentences, tags]: log-sum of all ways up to and including a tag; after the end as at the end."""
        start, steps = self._transitions()
        alphas = [start + self.emissions[:, 0]]
        for token in range(1, self.emissions.shape[1]):
            alpha = (alphas[-1][:, :, None] + steps).logsumexp(dim=1) + self.emissions[:, token]
            alphas.append(torch.where((token < self.lengths)[:, None], alpha, alphas[-1]))
        return alphas

    def _backward(self) -> list[Tensor]:
        """By token, [sentences, tags]: log-sum of all ways from a tag to the end, the tag's own score apart."""
        _, steps = self._transitions()
        betas = [torch.zeros_like(self.emissions[:, 0])]
        for token in range(self.emissions.shape[1] - 1, 0, -1):
            beta = (steps + (self.emissions[:, token] + betas[-1])[:, None, :]).logsumexp(dim=2)
            betas.append(torch.where((token < self.lengths)[:, None], beta, betas[-1]))
        return betas[::-1]


def spans_of_tags(tags: Sequence[int]) -> list[tuple[int, int, int]]:
    """First token, token after the last and label of every entity in a BIO sequence."""
    spans: list[tuple[int, int, int]] = []
    for token, tag in enumerate(tags):
        label, is_inside = divmod(tag - 1, 2)
        if tag and is_inside:
            spans[-1] = (spans[-1][0], token + 1, label)
        elif tag:
            spans.append((token, token + 1, label))
    return spans


# --- What is known of a sentence --------------------------------------------------------------------------------------


def words_of(doc: Doc) -> list[int]:
    """The tokens that get a tag: all that can be seen. The others belong to an entity if they are inside it."""
    return [token.i for token in doc if not token.is_space and any(category(letter) != "Cf" for letter in token.text)]


def annotated_labels(reference: Doc, labels: Iterable[str]) -> set[str]:
    """Those of the labels that the document's source annotates: all, unless ``user_data["annotated"]`` lists some."""
    listed = reference.user_data.get(ANNOTATED)
    return set(labels) if listed is None else set(labels) & set(listed)


def known_tags(example: Example, labels: Sequence[str], unannotated: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What the gold document says of the tags of the predicted one's words: logarithms of weights, [words, tags].

    A word of a mention has one tag. Any other word is O, or is in a mention of a label that the source does not
    annotate, which has the weight ``unannotated``. Of a word whose annotation is missing, or that a gold mention starts
    or ends inside, nothing is known. Mentions of labels that are not among ``labels`` are O.
    """
    spans, known = example.get_aligned_ents_and_ner()
    words = words_of(example.predicted)
    place = {token: number for number, token in enumerate(words)}
    annotated = annotated_labels(example.reference, labels)
    allowed = np.zeros((len(words), 2 * len(labels) + 1), dtype=bool)
    allowed[:, 0] = True
    for number, label in enumerate(labels):
        if label not in annotated:
            allowed[:, 2 * number + 1 : 2 * number + 3] = True
    allowed[[known[token] is None for token in words]] = True
    for span in spans:
        if span.label_ not in labels:
            continue
        mention = [place[token] for token in range(span.start, span.end) if token in place]
        begin = 2 * labels.index(span.label_) + 1
        for number in mention:
            allowed[number] = False
            allowed[number, begin if number == mention[0] else begin + 1] = True
        if mention and mention[-1] + 1 < len(words):
            allowed[mention[-1] + 1, begin + 1] = False  # the mention ends here
    weights = np.where(allowed, 0, FORBIDDEN).astype("float32")
    others = [2 * number + 1 for number, label in enumerate(labels) if label not in annotated]
    weights[:, others] += math.log(unannotated)
    return weights


# --- The component ----------------------------------------------------------------------------------------------------


class ScoredEntity(NamedTuple):
    """An entity of a document: tokens ``start`` to ``end`` (exclusive), label and probability."""

    start: int
    end: int
    label: str
    probability: float


Output = tuple[list[Floats2d], Floats2d]  # emissions of every document, and transitions


def _add_transitions(
    model: Model[list[Floats2d], Output], X: list[Floats2d], is_train: bool
) -> tuple[Output, Callable[[Output], list[Floats2d]]]:
    """A layer that passes emissions on and adds the transitions, which are its parameter."""

    def backprop(gradient: Output) -> list[Floats2d]:
        model.inc_grad("transitions", gradient[1])
        return gradient[0]

    return (X, cast(Floats2d, model.get_param("transitions"))), backprop


def _zero_transitions(model: Model[list[Floats2d], Output], X: list[Floats2d] | None = None, Y: Any = None) -> None:
    if X is not None and model.has_dim("nO") is None:
        tags = X[0].shape[1]
        model.set_dim("nO", tags)
        model.set_param("transitions", model.ops.alloc2f(tags + 1, tags))


@registry.architectures("medner.BioTagger.v1")  # type: ignore[untyped-decorator]
def build_tagger(tok2vec: Model[list[Doc], list[Floats2d]]) -> Model[list[Doc], Output]:
    """Token vectors, dropout (``[training] dropout``, as in all of spaCy), a linear layer onto the tags, transitions.

    The parameters are thinc's own arrays. So they are saved without pickle, and averaged over steps as those of
    ``ner`` are; those of a wrapped PyTorch module would not be. They are zero at first: all sequences are as probable.
    """
    dropout: Model[Floats2d, Floats2d] = Dropout()
    output: Model[Floats2d, Floats2d] = Linear(init_W=zero_init)
    head: Model[list[Floats2d], list[Floats2d]] = with_array(chain(dropout, output))
    transitions: Model[list[Floats2d], Output] = Model(
        "transitions", _add_transitions, init=_zero_transitions, params={"transitions": None}, dims={"nO": None}
    )
    model: Model[list[Doc], Output] = chain(tok2vec, head, transitions)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output", output)
    return model


DEFAULT_MODEL = Config().from_str("""
[model]
@architectures = "medner.BioTagger.v1"

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
""")["model"]


def score_annotated(examples: Iterable[Example], **_: Any) -> dict[str, Any]:
    """spaCy's entity scores; entities of labels that a document's source does not annotate are left out."""
    return get_ner_prf(_annotated_part(example) for example in examples)


def _annotated_part(example: Example) -> Example:
    doc = example.predicted
    annotated = annotated_labels(example.reference, {ent.label_ for ent in doc.ents})
    kept = [ent for ent in doc.ents if ent.label_ in annotated]
    if len(kept) == len(doc.ents):
        return example
    copy = Doc(doc.vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc])
    copy.set_ents([Span(copy, ent.start, ent.end, label=ent.label) for ent in kept])
    return Example(copy, example.reference)


@registry.scorers("medner.annotated_ents_scorer.v1")  # type: ignore[untyped-decorator]
def annotated_scorer() -> Callable[..., dict[str, Any]]:
    """What ``scorer`` of the component's config names."""
    return score_annotated


@Language.factory(
    FACTORY,
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "unannotated": UNANNOTATED,
        "scorer": {"@scorers": "medner.annotated_ents_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_bio(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Output],
    unannotated: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> "BioRecogniser":
    """What ``factory = "medner_bio"`` makes.

    unannotated: in training, the weight of a mention whose label the document's source does not annotate, against that
    of no mention. With 1 the source says nothing about that label; near 0 it says that its text has none. Raises
    ValueError if it is not between 0 and 1.
    """
    if not 0 < unannotated <= 1:
        raise ValueError(f"{FACTORY}: unannotated is {unannotated}; it must be above 0, and 1 at most")
    return BioRecogniser(nlp.vocab, model, name, unannotated=unannotated, scorer=scorer)


class BioRecogniser(TrainablePipe):  # type: ignore[misc]
    """Finds entities with BIO tags and a linear-chain CRF.

    Sets ``doc.ents`` (what is there already stays, and what overlaps it is left out) and ``doc.spans["entities"]``,
    whose ``attrs["scores"]`` are the entities' probabilities; ``ent._.confidence`` looks them up there. What is less
    probable than the threshold is left out.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Output],
        name: str = "medner_bio",
        *,
        unannotated: float = UNANNOTATED,
        scorer: Callable[..., dict[str, Any]] | None = score_annotated,
    ) -> None:
        self.vocab, self.model, self.name, self.scorer = vocab, model, name, scorer
        self.unannotated = unannotated
        self.cfg: dict[str, Any] = {"labels": [], "temperature": 1.0, "threshold": 0.0}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """What ``spacy init labels`` saves."""
        return self.labels

    @property
    def temperature(self) -> float:
        """What scores are divided by for probabilities; it has no effect on which entities are found."""
        return float(self.cfg["temperature"])

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.cfg["temperature"] = value

    @property
    def threshold(self) -> float:
        """Probability below which an entity is left out."""
        return float(self.cfg.get("threshold", 0.0))

    @threshold.setter
    def threshold(self, value: float) -> None:
        self.cfg["threshold"] = value

    def add_label(self, label: str) -> int:
        """Add a label before initialisation; returns 1 if it is new, else 0. Raises ValueError for a later one."""
        if label in self.labels:
            return 0
        if self.model.get_ref("output").has_dim("nO"):
            what = f"{self.name} cannot learn {label!r}: its labels are {', '.join(self.labels)}"
            raise ValueError(f"{what}. Train it anew with that label.")
        self.cfg["labels"] = sorted([*self.labels, label])
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Set up the model for all labels of the examples, or for the given ones.

        Raises ValueError if there are none.
        """
        validate_get_examples(get_examples, "BioRecogniser.initialize")
        found: set[str] = set()
        sample: list[Doc] = []
        for example in get_examples():
            found.update(ent.label_ for ent in example.reference.ents)
            if len(example.predicted) and len(sample) < SAMPLE:
                sample.append(example.predicted)
        for label in found if labels is None else labels:
            self.add_label(label)
        if not self.labels:
            raise ValueError(f"{self.name} has no labels: no training document has an entity. Check the corpus.")
        output = self.model.get_ref("output")
        if output.has_dim("nO") is None:
            output.set_dim("nO", 2 * len(self.labels) + 1)
        self.model.initialize(X=sample)

    def get_loss(self, examples: Iterable[Example], scores: Output) -> tuple[float, Output]:
        """Negative log-likelihood of what is known of the examples, and its gradient.

        It is a sum over the batch, not a mean: ``ner`` sums over its states, about one a token, and its learning rate
        and ``grad_clip`` are made for gradients of that size.
        """
        emissions = [xp2torch(one, requires_grad=True) for one in scores[0]]
        transitions = xp2torch(scores[1], requires_grad=True)
        examples = list(examples)
        tagged = [one[words_of(example.predicted)] for one, example in zip(emissions, examples, strict=True)]
        lattice = Lattice.of(tagged, transitions)
        known = torch.zeros_like(lattice.emissions)
        for row, example in zip(known, examples, strict=True):
            weights = torch.from_numpy(known_tags(example, self.labels, self.unannotated))
            row[: len(weights)] = weights.to(row.device)
        loss = -lattice.log_likelihood(known).sum()
        gradients = [torch2xp(one) for one in torch.autograd.grad(loss, [transitions, *emissions])]
        return loss.item(), cast(Output, (gradients[1:], gradients[0]))

    def lattice(self, docs: list[Doc]) -> Lattice:
        """All tag sequences of the documents' words, without temperature, in double precision."""
        if any(len(doc) for doc in docs):
            emissions, transitions = self.model.predict(docs)
            tagged = [xp2torch(one)[words_of(doc)] for one, doc in zip(emissions, docs, strict=True)]
            return Lattice.of(tagged, xp2torch(transitions)).double()
        tags = 2 * len(self.labels) + 1
        return Lattice.of([torch.zeros(0, tags) for _ in docs], torch.zeros(tags + 1, tags)).double()

    def predict(self, docs: Iterable[Doc]) -> list[list[ScoredEntity]]:
        """The entities of every document, in order."""
        docs = list(docs)
        if not docs:
            return []
        lattice = self.lattice(docs)
        spans = best_spans(lattice)
        probabilities = lattice.at(self.temperature).span_log_probability(spans).exp().clamp(max=1).tolist()
        found: list[list[ScoredEntity]] = [[] for _ in docs]
        words = [words_of(doc) for doc in docs]
        for (doc, first, end, label), probability in zip(spans.tolist(), probabilities, strict=True):
            if probability < self.threshold:
                continue
            start, last = words[doc][first], words[doc][end - 1]
            found[doc].append(ScoredEntity(start, last + 1, self.labels[label], probability))
        return found

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Sequence[ScoredEntity]]) -> None:
        """Write what :meth:`predict` found into the documents."""
        for doc, entities in zip(docs, scores, strict=True):
            before = {(ent.start, ent.end, ent.label_): ent for ent in doc.ents}
            taken = {token for ent in doc.ents for token in range(ent.start, ent.end)}
            new = [e for e in entities if taken.isdisjoint(range(e.start, e.end))]
            doc.set_ents([*before.values(), *(Span(doc, e.start, e.end, label=e.label) for e in new)])
            kept = [e for e in entities if e in new or e[:3] in before]  # found in an earlier pass, perhaps
            spans = [Span(doc, e.start, e.end, label=e.label) for e in kept]
            probabilities = np.array([e.probability for e in kept], dtype="float32")
            doc.spans[SPANS] = SpanGroup(doc, name=SPANS, attrs={"scores": probabilities}, spans=spans)


def best_spans(lattice: Lattice) -> Tensor:
    """The entities of the best sequences: sentence, first token, token after the last and label of each, [spans, 4]."""
    best = zip(lattice.viterbi().tolist(), lattice.lengths.tolist(), strict=True)
    spans = [(row, *span) for row, (tags, length) in enumerate(best) for span in spans_of_tags(tags[:length])]
    return torch.tensor(spans, dtype=torch.long, device=lattice.emissions.device).reshape(-1, 4)


def entity_scores(doc: Doc) -> dict[tuple[int, int, int], float] | None:
    """Probability of each entity that ``medner_bio`` found, by span and label; None if it has not read the document."""
    group = doc.spans.get(SPANS)
    if group is None or "scores" not in group.attrs:
        return None
    scores = zip(group, group.attrs["scores"], strict=True)
    return {(span.start, span.end, span.label): float(score) for span, score in scores}


def confidence(span: Span) -> float | None:
    """Probability of an entity that ``medner_bio`` found; None for any other span."""
    return (entity_scores(span.doc) or {}).get((span.start, span.end, span.label))


def confidences(doc: Doc) -> tuple[float, ...] | None:
    """Probability of each entity of a document; None unless ``medner_bio`` found them all."""
    scores = entity_scores(doc)
    found = [None if scores is None else scores.get((ent.start, ent.end, ent.label)) for ent in doc.ents]
    return None if scores is None or None in found else tuple(score for score in found if score is not None)


Span.set_extension("confidence", getter=confidence, force=True)
