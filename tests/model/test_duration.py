from __future__ import annotations

import io
from pathlib import Path

import pytest
import spacy
import srsly

from medner.model import duration
from medner.model.encoder import EncoderInfo


def encoder(name: str, parameters: int, epochs: int | None = None) -> EncoderInfo:
    return EncoderInfo(
        name=name, revision="1", untrained=False, parameters=parameters, vocabulary=1, sha256="", epochs=epochs
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "about 1 seconds"),
        (89, "about 89 seconds"),
        (90, "about 2 minutes"),
        (5300, "about 88 minutes"),
        (9000, "about 2.5 hours"),
        (43_000, "about 12 hours"),
    ],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration.in_words(seconds) == text


def test_a_large_encoder_on_a_cpu_has_a_quick_alternative() -> None:
    compact = encoder("small", 7_000_000, epochs=6)
    assert duration.slow_on_cpu(encoder("bert", 177_853_440), compact, words=200_000, epochs=3) == (
        "bert has 178 million parameters: without a GPU, this training takes about 79 minutes on two cores. The compact "
        "encoder takes about 9 minutes: add --vars.encoder small to the `spacy project run` command."
    )
    assert not duration.slow_on_cpu(compact, compact, words=200_000, epochs=3)


def row(step: int) -> dict[str, object]:
    scores = {"ents_f": 0.5, "ents_p": 0.5, "ents_r": 0.5}
    return {"epoch": 0, "step": step, "losses": {"ner": 1.0}, "other_scores": scores, "score": 0.5}


@pytest.mark.parametrize("batches", [40, 5])
def test_the_logger_says_how_long_it_will_take_and_then_prints_spacy_s_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    """A training that is over before it can be measured has the table alone."""
    clock = 0.0
    monkeypatch.setattr(duration, "perf_counter", lambda: clock)
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner")
    training = {"max_steps": 0, "eval_frequency": 39, "score_weights": {"ents_f": 1.0}}
    nlp.config["training"].update(training)
    nlp.config["training"]["optimizer"]["learn_rate"] = {"total_steps": 40}
    out, log = io.StringIO(), tmp_path / "log.jsonl"
    log_step, finalize = duration.estimating_logger("eval", True, str(log))(nlp, out, io.StringIO())
    clock += 60.0  # the first batch, its evaluation among it
    log_step(row(0))
    for step in range(1, batches):
        clock += 3.0
        log_step(row(step) if step == 39 else None)
    finalize()
    lines = out.getvalue().split("\n")
    if batches == 40:
        assert lines.pop(0) == "Training takes about 4 minutes (40 batches, 2 evaluations)"
    assert "Saving results to" in lines[0]
    assert "Loss NER" in out.getvalue().replace("LOSS", "Loss")
    assert "Training takes" not in "\n".join(lines)
    assert [found["step"] for found in srsly.read_jsonl(log)] == ([0, 39] if batches == 40 else [0])
