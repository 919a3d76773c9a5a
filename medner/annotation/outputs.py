"""Writes annotated documents in the formats that people and programs go on with."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from medner.annotation.entities import Entity
from medner.annotation.journal import Annotated
from medner.annotation.passages import passages
from medner.exceptions import InputError
from medner.files import new_file, new_folder, write_bytes, write_text

SUFFIXES = {
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".conll": "conll",
    ".iob": "conll",
    ".spacy": "docbin",
    ".json": "label-studio",
    ".html": "html",
    "": "brat",
}
WITHOUT_TEXT = ("csv", "tsv")  # formats that hold the mentions alone
BRAT = "*.ann"  # what every folder of brat has
_BRAT_LABELS = "[entities]\n{}\n\n[relations]\n\n[events]\n\n[attributes]\n"  # brat wants all four sections
_PART = re.compile(r"\S(?:[^\n]*\S)?")  # of an entity: what stands on one line
FORMATS = ("jsonl", "csv", "tsv", "brat", "conll", "docbin", "label-studio", "doccano", "html")

Documents = Iterable[Annotated]


def output_format(path: Path, chosen: str) -> str:
    """The format of an output: the chosen one, else by suffix. Raises InputError for an unknown one."""
    found = chosen or SUFFIXES.get(path.suffix.lower(), "")
    if found not in FORMATS:
        what = f"--to is {chosen!r}" if chosen else "its suffix names no format"
        raise InputError(what, path=path, remedy=f"Give one with --to: {', '.join(FORMATS)}")
    return found


def check_output(path: Path, format: str) -> None:
    """Raises InputError for an output that could not be written after all the work, because of what is there."""
    if format != "brat" and path.is_dir():
        raise InputError("is a folder, not a file", path=path, remedy="Name another file")
    if format == "brat" and path.is_file():
        raise InputError("is a file, not a folder", path=path, remedy="Name another folder")
    if format == "brat" and path.is_dir() and any(path.iterdir()):  # often annotations that people have corrected
        raise InputError("is not empty, and its files would be lost", path=path, remedy="Name a new folder")


def write_documents(path: Path, format: str, documents: Documents) -> None:
    """Write the output whole or not at all. Raises InputError where it cannot be written."""
    _WRITERS[format](path, documents)


@contextmanager
def _new_text(path: Path) -> Iterator[IO[str]]:
    with new_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def _json_line(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"


def _text(one: Annotated) -> str:
    return one.text or ""


def other_keys(extra: Mapping[str, Any], *taken: str) -> dict[str, Any]:
    """The other keys of a document. One that the output needs for itself is kept as ``input_<key>``."""
    return {f"input_{key}" if key in taken else key: value for key, value in extra.items()}


def write_jsonl(path: Path, documents: Documents) -> None:
    """A document a line: the keys of the input, id, text where it is kept, entities."""
    with _new_text(path) as file:
        for one in documents:
            text = {} if one.text is None else {"text": one.text}
            entities = [entity._asdict() for entity in one.entities]
            file.write(
                _json_line({**other_keys(one.extra, "text", "entities"), "id": one.id, **text, "entities": entities})
            )


def write_table(path: Path, documents: Documents, delimiter: str = ",") -> None:
    """A mention a row."""
    with _new_text(path) as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(["id", *Entity._fields])
        for one in documents:
            writer.writerows([one.id, *entity] for entity in one.entities)


def _write_tsv(path: Path, documents: Documents) -> None:
    write_table(path, documents, "\t")


def write_brat(path: Path, documents: Documents) -> None:
    """A folder with a ``.txt`` and an ``.ann`` file a document, named after its id, and with the labels for brat."""
    with new_folder(path, sign=BRAT) as folder:
        used: set[str] = set()
        labels: set[str] = set()
        for number, one in enumerate(documents, start=1):
            name = re.sub(r"[^\w.-]+", "_", one.id.removesuffix(".txt")).strip("._")[:100] or "text"
            first, more = name, number
            while name.lower() in used:
                name, more = f"{first}-{more}", more + 1
            used.add(name.lower())
            write_text(folder / f"{name}.txt", _text(one))
            lines = (_brat_line(n, e, _text(one)) for n, e in enumerate(one.entities, start=1))
            write_text(folder / f"{name}.ann", "".join(lines))
            labels.update(entity.label for entity in one.entities)
        write_text(folder / "annotation.conf", _BRAT_LABELS.format("\n".join(sorted(labels))))


def _brat_line(number: int, entity: Entity, text: str) -> str:
    """An entity of an ``.ann`` file. One that runs across line breaks has a fragment on each line."""
    parts = [part.span() for part in _PART.finditer(text, entity.start, entity.end)]
    offsets = ";".join(f"{start} {end}" for start, end in parts)
    surface = " ".join(text[start:end] for start, end in parts)
    return f"T{number}\t{entity.label} {offsets}\t{surface}\n"


def write_conll(path: Path, documents: Documents) -> None:
    """A token and its IOB2 tag a line, tab-separated; an empty line ends a sentence, ``-DOCSTART-`` starts a text."""
    from medner.data.records import Entity as Gold  # noqa: PLC0415 - the tokenizer needs spaCy, which is slow to load
    from medner.data.records import Record  # noqa: PLC0415
    from medner.data.tokenizer import blank, reference_doc  # noqa: PLC0415

    nlp = blank()
    with _new_text(path) as file:
        for one in documents:
            file.write("-DOCSTART-\tO\n\n")
            left = list(one.entities)
            for start, text in passages(_on_one_line(_text(one), left)):
                inside = [e for e in left if start <= e.start and e.end <= start + len(text)]
                left = left[len(inside) :]
                gold = tuple(Gold(e.start - start, e.end - start, e.label) for e in inside)
                doc, _ = reference_doc(nlp, Record(one.id, "", text, gold))
                for token in doc:
                    if not token.is_space:
                        tag = token.ent_iob_ if token.ent_iob_ == "O" else f"{token.ent_iob_}-{token.ent_type_}"
                        file.write(f"{token.text}\t{tag}\n")
                file.write("\n")


def _on_one_line(text: str, entities: Iterable[Entity]) -> str:
    """The text with spaces for line breaks inside entities, so that no passage ends there."""
    parts: list[str] = []
    end = 0
    for entity in entities:
        parts += text[end : entity.start], re.sub(r"[\r\n]", " ", text[entity.start : entity.end])
        end = entity.end
    return "".join((*parts, text[end:]))


def write_docbin(path: Path, documents: Documents) -> None:
    """spaCy's own format, of whole texts: ``doc.ents``, and ``doc.user_data`` with id and confidences."""
    from spacy.tokens import DocBin  # noqa: PLC0415

    from medner.data.records import Entity as Gold  # noqa: PLC0415
    from medner.data.records import Record  # noqa: PLC0415
    from medner.data.tokenizer import blank, reference_doc  # noqa: PLC0415

    nlp = blank()
    docbin = DocBin(store_user_data=True)
    for one in documents:
        nlp.max_length = max(nlp.max_length, len(_text(one)) + 1)
        gold = tuple(Gold(*entity[:3]) for entity in one.entities)
        doc, _ = reference_doc(nlp, Record(one.id, "", _text(one), gold))
        doc.user_data = {"id": one.id, "confidence": [entity.confidence for entity in one.entities]}
        docbin.add(doc)
    write_bytes(path, docbin.to_bytes())


def write_label_studio(path: Path, documents: Documents) -> None:
    """Tasks with predictions, to import into a Label Studio project whose config has ``label`` and ``text``."""
    with _new_text(path) as file:
        separator = "[\n"
        for one in documents:
            results = [
                {
                    "id": f"e{number}",
                    "from_name": "label",
                    "to_name": "text",
                    "type": "labels",
                    "value": {"start": e.start, "end": e.end, "text": e.text, "labels": [e.label]},
                    **({} if e.confidence is None else {"score": e.confidence}),
                }
                for number, e in enumerate(one.entities, start=1)
            ]
            data = {**other_keys(one.extra, "text"), "id": one.id, "text": one.text}
            task = {"data": data, "predictions": [{"result": results}]}
            file.write(separator + json.dumps(task, ensure_ascii=False))
            separator = ",\n"
        file.write("\n]\n" if separator == ",\n" else "[]\n")


def write_doccano(path: Path, documents: Documents) -> None:
    """JSON Lines as doccano imports them for sequence labelling."""
    with _new_text(path) as file:
        for one in documents:
            label = [[e.start, e.end, e.label] for e in one.entities]
            file.write(
                _json_line({**other_keys(one.extra, "text", "label"), "id": one.id, "text": one.text, "label": label})
            )


def write_html(path: Path, documents: Documents) -> None:
    """A page to look at, by displaCy."""
    from spacy.displacy.render import EntityRenderer  # noqa: PLC0415

    colours = ["#bfe1d9", "#f4d9a8", "#c5d3f2", "#f2c6cf", "#dccdf0", "#d8e6b4"]
    given: dict[str, str] = {}
    with _new_text(path) as file:
        file.write('<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>medner annotate</title></head>\n<body>\n')
        for one in documents:
            for entity in one.entities:
                given.setdefault(html.escape(entity.label.upper()), colours[len(given) % len(colours)])
            spans = [{"start": e.start, "end": e.end, "label": html.escape(e.label)} for e in one.entities]
            rendered = EntityRenderer({"colors": given}).render_ents(_text(one), spans, html.escape(one.id))
            file.write(rendered + "\n")
        file.write("</body></html>\n")


_WRITERS: dict[str, Callable[[Path, Documents], None]] = {
    "jsonl": write_jsonl,
    "csv": write_table,
    "tsv": _write_tsv,
    "brat": write_brat,
    "conll": write_conll,
    "docbin": write_docbin,
    "label-studio": write_label_studio,
    "doccano": write_doccano,
    "html": write_html,
}
