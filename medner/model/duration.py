"""How long a training takes: a forecast before it starts, and a measured one after its first batches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import IO, Any

from spacy.language import Language
from spacy.training.loggers import console_logger_v3
from spacy.util import registry

from medner.model.provenance import EncoderInfo

LOGGER = "medner.ConsoleLogger.v1"
BATCHES = 10  # that are timed: seconds for a small encoder, less than a minute for mBERT on a CPU
LARGE = 50_000_000  # parameters from which an encoder is too slow for a CPU
# Words per second of training on two cores in fp32 (benchmarks/encoders.py, assets/encoder/README.md).
MBERT, MBERT_PARAMETERS = 127, 177_853_440
COMPACT = 2_340

Row = dict[str, Any] | None
Setup = Callable[[Language, IO[str], IO[str]], tuple[Callable[[Row], None], Callable[[], None]]]


def in_words(seconds: float) -> str:
    """A duration as people say it, such as ``about 40 seconds`` or ``about 2.5 hours``."""
    for unit, size in (("seconds", 1.0), ("minutes", 60.0)):
        if seconds < 90 * size:
            return f"about {max(1, round(seconds / size))} {unit}"
    return f"about {round(seconds / 1800) / 2:g} hours"


def slow_on_cpu(encoder: EncoderInfo, quick: EncoderInfo, *, words: int, epochs: int) -> str:
    """What to tell before an encoder of mBERT's size is trained on a CPU; empty for smaller encoders.

    quick: the encoder that is the alternative. words: of the training corpus. Durations are for two cores.
    """
    parameters = encoder.parameters or 0
    if parameters <= LARGE:
        return ""
    seconds = words * epochs / MBERT * parameters / MBERT_PARAMETERS
    quick_seconds = words * (quick.epochs or epochs) / COMPACT
    return (
        f"{encoder.name} has {parameters / 1e6:,.0f} million parameters: without a GPU, this training takes "
        f"{in_words(seconds)} on two cores. The compact encoder takes {in_words(quick_seconds)}: add "
        f"--vars.encoder {quick.name} to the `spacy project run` command."
    )


@registry.loggers(LOGGER)  # type: ignore[untyped-decorator]
def estimating_logger(
    progress_bar: str | None = None, console_output: bool = True, output_file: str | None = None
) -> Setup:
    """spaCy's ``ConsoleLogger.v3``, preceded by one line that says how long the training will take.

    Its table starts when :data:`BATCHES` batches after the first have been timed; rows until then are held back. The
    train step puts this logger in the place of the config's, which has the same settings.
    """
    console = console_logger_v3(progress_bar, console_output, output_file)

    def setup(
        nlp: Language, stdout: IO[str] = sys.stdout, stderr: IO[str] = sys.stderr
    ) -> tuple[Callable[[Row], None], Callable[[], None]]:
        config = nlp.config.interpolate()["training"]
        steps = config["max_steps"] or config["optimizer"]["learn_rate"]["total_steps"]
        evaluations = 1 + (steps - 1) // config["eval_frequency"]
        started = perf_counter()
        first = started
        held: list[Row] = []
        table: tuple[Callable[[Row], None], Callable[[], None]] | None = None

        def start_table() -> tuple[Callable[[Row], None], Callable[[], None]]:
            nonlocal table
            if table is None:
                table = console(nlp, stdout, stderr)
                for row in held:
                    table[0](row)
            return table

        def log_step(row: Row) -> None:
            nonlocal first
            if table is not None:
                table[0](row)
                return
            if not held:  # the first batch was also evaluated
                first = perf_counter()
            held.append(row)
            if len(held) > BATCHES:
                seconds = steps * (perf_counter() - first) / BATCHES + evaluations * (first - started)
                line = f"Training takes {in_words(seconds)} ({steps:,} batches, {evaluations} evaluations)"
                print(line, file=stdout, flush=True)
                start_table()

        def finalize() -> None:
            start_table()[1]()

        return log_step, finalize

    return setup
