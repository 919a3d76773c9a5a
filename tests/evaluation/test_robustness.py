from __future__ import annotations

from pathlib import Path

import made
import measure_robustness as step
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from typer.testing import CliRunner

from medner.data.manifests import CorpusManifest, SourceManifest
from medner.data.records import Entity, Record
from medner.data.tokenizer import blank, reference_doc
from medner.evaluation.perturbations import NAMES
from medner.evaluation.robustness import Perturbed, Robustness, measure
from medner.model.provenance import stamp
from medner.outputs import read_output, write_output

RECORDS = [Record(str(n), "ro", "Are diabet zaharat de mult.", (Entity(4, 18, "MEDICAL"),)) for n in range(12)]


@pytest.fixture
def nlp() -> Language:
    """Finds the mention where its words and the space between them are as they were; its tokenizer adds white space."""
    nlp = blank()
    ruler = nlp.add_pipe("entity_ruler")
    patterns = [[{"TEXT": "diabet"}, {"TEXT": "zaharat"}], [{"TEXT": "diabet"}, {"IS_SPACE": True}]]
    ruler.add_patterns([{"label": "MEDICAL", "pattern": pattern} for pattern in patterns])  # type: ignore[attr-defined]
    nlp.add_pipe("doc_cleaner")
    return nlp


def test_every_perturbation_is_measured(nlp: Language) -> None:
    about = made.provenance("exp3")
    found = Robustness(provenance=about, sentences=12, suites={"s": measure(nlp, RECORDS, ["MEDICAL"], NAMES)})
    assert list(found.suites["s"]) == list(NAMES)
    assert found.suites["s"]["clean"] == Perturbed(f1=1.0, edges=0, unseen=0)
    assert found.suites["s"]["10 sentences joined"].f1 == 1
    assert found.change("s", "capitals") == -1
    assert found.suites["s"]["spaces: one in every mention"].edges == 12
    assert nlp.pipe_names == ["entity_ruler", "doc_cleaner"]


def test_the_step_writes_what_the_report_reads(nlp: Language, tmp_path: Path) -> None:
    docs = DocBin(store_user_data=True)
    for record in RECORDS:
        doc, _ = reference_doc(nlp, record)
        doc.user_data.update({"id": record.id, "lang": "ro", "source": "s"})
        docs.add(doc)
    (tmp_path / "corpus" / "s").mkdir(parents=True)
    docs.to_disk(tmp_path / "corpus" / "s" / "test.spacy")
    source = SourceManifest(note="", stand_in=False, annotated=["MEDICAL"], documents=False, splits={})
    manifest = CorpusManifest(sources={"s": source}, persons="named", experiments={}, suites={}, skipped={}, sha256={})
    write_output(tmp_path / "corpus" / "manifest.json", manifest)
    nlp.to_disk(tmp_path / "model")
    stamp(tmp_path / "model", made.provenance("exp1"))
    command = [str(tmp_path / "model"), "--corpus", str(tmp_path / "corpus"), "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(step.app, [*command, "--sentences", "5"])
    assert done.exit_code == 0, done.output
    found = read_output(tmp_path / "out" / "exp1.json", Robustness, "robustness")
    assert found.sentences == 5
    assert f"| capitals | {found.suites['s']['capitals'].f1:.3f} (−1.000) | 0 | 0 |" in done.output
    unknown = CliRunner().invoke(step.app, [*command, "--only", "s,gone"])
    assert unknown.exit_code == 1
    assert "there is no test part of gone. Choose from s." in unknown.output
    meta = spacy.load(tmp_path / "model").meta
    assert (meta["name"], meta["author"], bool(meta["version"])) == ("medner_exp1", "medner", True)
