"""From `medner annotate` through an annotation tool and back: a corrected export is a source of the study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from medner.cli import app
from medner.data.build import build_corpus
from medner.data.docbins import read_docbin
from medner.data.labels import load_scheme
from medner.data.tokenizer import blank
from medner.study import load_study

NOTES = ["Maria Dobre, Arad.\r\nTușește; are diabet zaharat 😀 de tip 2, asthme.", "Fără Arad.", "Alt text."]
STUDY = """
sources:
  letters:
    format: {format}
    data: {data}
    labels: {{map: {{MEDICAL: MEDICAL, PERSON: PERSON}}, drop: [LOC]}}
    lang: ro
    note: letters, corrected by hand
experiments: {{}}
suites:
  letters: {{sources: [letters], group: real}}
"""


def annotated(rules: Path, folder: Path, name: str, *options: str) -> str:
    lines = (json.dumps({"id": f"letter-{n}", "text": text, "ward": "B"}) for n, text in enumerate(NOTES))
    (folder / "notes.jsonl").write_text("\n".join(lines))
    output = folder / name
    arguments = ["annotate", str(folder / "notes.jsonl"), "--model", str(rules), "--output", str(output)]
    done = CliRunner().invoke(app, [*arguments, "--processes", "1", *options])
    assert done.exit_code == 0, done.output
    return output.read_text()


def corpus(folder: Path, format: str, export: str) -> dict[str, list[tuple[str, list[tuple[str, str]]]]]:
    """Text and entities of every line of every document, as the corpus step writes them."""
    (folder / "assets" / "fetched").mkdir(parents=True)
    (folder / "assets" / "fetched" / "manifest.json").write_text(
        '{"ronec": {"variant": "sample", "note": "S"}, "files": {}}'
    )
    data = "assets/own/letters.jsonl"
    (folder / "assets" / "own").mkdir()
    (folder / data).write_text(export)
    (folder / "experiments.yml").write_text(STUDY.format(format=format, data=f"{{test: {data}}}"))
    scheme = load_scheme(ROOT / "configs" / "labels.yml")
    build_corpus(load_study(folder / "experiments.yml"), scheme, folder, folder / "corpus")
    found: dict[str, list[tuple[str, list[tuple[str, str]]]]] = {}
    for record in read_docbin(folder / "corpus" / "letters" / "test.spacy", blank()):
        entities = [(entity.label, record.surface(entity)) for entity in record.entities]
        found.setdefault(record.id.split("#")[0], []).append((record.text, entities))
    return found


def exported(number: int, task: dict[str, Any], result: list[dict[str, Any]] | None) -> dict[str, Any]:
    """A task as Label Studio exports it as JSON. result: the regions that a person submitted; None: not looked at."""
    submitted = {
        "id": 100 + number, "completed_by": 1, "result": result, "was_cancelled": False, "ground_truth": False,
        "created_at": "2026-01-02T10:00:00.000000Z", "updated_at": "2026-01-02T10:01:00.000000Z",
        "draft_created_at": None, "lead_time": 41.2, "prediction": {}, "result_count": len(result or ()),
        "unique_id": "5d7c9d2e", "import_id": None, "last_action": None, "bulk_created": False, "task": number,
        "project": 1, "updated_by": 1, "parent_prediction": number, "parent_annotation": None,
        "last_created_by": None,
    }  # fmt: skip
    return {
        "id": number, "annotations": [] if result is None else [submitted], "file_upload": "1-found.json",
        "drafts": [], "predictions": [number], "data": task["data"], "meta": {},
        "created_at": "2026-01-01T10:00:00.000000Z", "updated_at": "2026-01-02T10:01:00.000000Z", "inner_id": number,
        "total_annotations": int(result is not None), "cancelled_annotations": 0, "total_predictions": 1,
        "comment_count": 0, "unresolved_comment_count": 0, "last_comment_updated_at": None, "project": 1,
        "updated_by": 1, "comment_authors": [],
    }  # fmt: skip


def region(start: int, end: int, text: str, label: str, origin: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": text, "labels": [label]}
    return {
        "value": value,
        "id": f"{start}-{end}",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "origin": origin,
    }


LINES = ["Maria Dobre, Arad.", "Tușește; are diabet zaharat 😀 de tip 2, asthme."]


@pytest.mark.parametrize("unit", ["characters", "UTF-16 units"])
def test_label_studio(rules: Path, tmp_path: Path, unit: str) -> None:
    """A label corrected, a boundary, a mention added, one removed; a text that nobody looked at is left out."""
    tasks = json.loads(annotated(rules, tmp_path, "found.json"))
    assert [len(task["predictions"][0]["result"]) for task in tasks] == [4, 1, 0]
    more = int(unit != "characters")  # after the emoji, which is two UTF-16 units
    corrected = [
        region(0, 11, "Maria Dobre", "PERSON", "prediction"),
        region(20, 27, "Tușește", "MEDICAL", "manual"),
        region(33, 58 + more, "diabet zaharat 😀 de tip 2", "MEDICAL", "prediction-changed"),
    ]
    export = [exported(1, tasks[0], corrected), exported(2, tasks[1], None), exported(3, tasks[2], [])]
    assert corpus(tmp_path, "label-studio", json.dumps(export)) == {
        "1": [
            (LINES[0], [("PERSON", "Maria Dobre")]),
            (LINES[1], [("MEDICAL", "Tușește"), ("MEDICAL", "diabet zaharat 😀 de tip 2")]),
        ],
        "3": [("Alt text.", [])],
    }


def test_doccano(rules: Path, tmp_path: Path) -> None:
    """Doccano gives texts numbers of its own, and exports [start, end, label] or, with relations, objects."""
    lines = [json.loads(line) for line in annotated(rules, tmp_path, "found.jsonl", "--to", "doccano").splitlines()]
    assert [len(line["label"]) for line in lines] == [4, 1, 0]
    corrected = [[0, 11, "PERSON"], [20, 27, "MEDICAL"], [33, 58, "MEDICAL"]]
    objects = [
        {"id": n, "label": label, "start_offset": start, "end_offset": end}
        for n, (start, end, label) in enumerate(corrected)
    ]
    first, _, third = lines
    export = [
        {"id": 41, "text": first["text"], "ward": "B", "entities": objects, "relations": [], "Comments": []},
        {"id": 42, "text": third["text"], "ward": "B", "label": [], "Comments": []},
    ]
    assert corpus(tmp_path, "jsonl", "".join(json.dumps(one) + "\n" for one in export)) == {
        "41": [
            (LINES[0], [("PERSON", "Maria Dobre")]),
            (LINES[1], [("MEDICAL", "Tușește"), ("MEDICAL", "diabet zaharat 😀 de tip 2")]),
        ],
        "42": [("Alt text.", [])],
    }
