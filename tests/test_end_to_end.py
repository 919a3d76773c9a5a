"""The whole study, end to end, on a handful of sentences and a tiny transformer: `spacy project run all`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import spacy
import srsly
import yaml
from conftest import ROOT, write_embedded
from spacy.tokens import DocBin

from medner.evaluation.comparisons import FILE, Significance
from medner.evaluation.predictions import read_predictions
from medner.evaluation.results import read_run
from medner.model.bio import BioRecogniser
from medner.outputs import read_output
from medner.report.wording import sentence
from medner.study import load_study

OFFLINE = "http://127.0.0.1:9"
RO = "Pacienta Maria Dobre, internată la Spitalul Județean Arad din Arad, are HTA și diabet zaharat tip 2."
FR = "M. Lefèvre, suivi à l’Hôpital Saint-Louis de Lyon, souffre d’insuffisance cardiaque et d'asthme."


def lines(path: Path, count: int) -> str:
    return "".join(line + "\n" for line in path.read_text().split("\n")[:count])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with small corpora, a tiny embedded encoder and no way out to a network."""
    folder = tmp_path_factory.mktemp("study")
    for part in ("configs", "scripts", "medner"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    config = yaml.safe_load((ROOT / "project.yml").read_text())
    for asset in config["assets"]:
        asset["url"] = f"{OFFLINE}/{Path(asset['dest']).name}"
    (folder / "project.yml").write_text(yaml.safe_dump(config))
    downloads = yaml.safe_load((ROOT / "configs" / "downloads.yml").read_text())
    downloads["e3c"]["url"] = f"{OFFLINE}/"
    (folder / "configs" / "downloads.yml").write_text(yaml.safe_dump(downloads))
    for lang in ("ro", "fr"):
        (folder / "assets" / "synthetic" / lang).mkdir(parents=True)
        for split, count in (("train", 100), ("dev", 20), ("test", 20)):
            text = lines(ROOT / "assets" / "synthetic" / lang / f"{split}.jsonl", count)
            (folder / "assets" / "synthetic" / lang / f"{split}.jsonl").write_text(text)
    shutil.copy(ROOT / "assets" / "synthetic" / "generic_nouns.yml", folder / "assets" / "synthetic")
    floors = yaml.safe_load((ROOT / "configs" / "quality.yml").read_text())
    floors["minimum"] = {"sentences": 100, "distinct_3grams": 0.85}
    floors["maximum"] |= {"top_medical_form": 0.05, "top_opening_bigram": 0.05}
    (folder / "configs" / "quality.yml").write_text(yaml.safe_dump(floors))
    for part in ("own", "silver"):
        shutil.copytree(ROOT / "assets" / part, folder / "assets" / part)
    (folder / "assets" / "sample").mkdir()
    for split, count in (("train", 80), ("valid", 20), ("test", 20)):
        items = json.loads((ROOT / "assets" / "sample" / f"{split}.json").read_text())[:count]
        (folder / "assets" / "sample" / f"{split}.json").write_text(json.dumps(items))
    texts = [
        record["text"]
        for lang in ("ro", "fr")
        for record in srsly.read_jsonl(folder / f"assets/synthetic/{lang}/train.jsonl")
    ]
    write_embedded(folder / "assets" / "encoder", texts, vocabulary=1500, hidden=32, learning_rate=0.003, epochs=8)
    return folder


def python(project: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in a copy of the project, with the copy's package and without a network."""
    path = os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path, "HF_ENDPOINT": OFFLINE, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def run(project: Path, *command: str) -> str:
    """What a command prints that ends well."""
    result = python(project, *command)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def study(project: Path) -> tuple[Path, str]:
    return project, run(project, "-m", "spacy", "project", "run", "all")


def test_the_table_is_printed_and_written(study: tuple[Path, str]) -> None:
    project, output = study
    table = (project / "metrics" / "summary.md").read_text()
    assert table.strip() in output
    for name in ("exp1", "exp2", "exp3"):
        row = rf"^\| {name} \| \*\*0\.\d{{3}}\*\* (\[.*\] )?P 0\.\d{{3}} R 0\.\d{{3}} \|"
        assert re.search(row, table, re.MULTILINE)
    assert "Encoder: tiny, revision 1" in table
    assert "ronec: STAND-IN: SAMPLE in RONEC's format" in table
    assert "- simonero: SKIPPED, simonero-dev is neither present, nor in a mirror, nor on the network" in table
    absent = r"\(e3c is neither present, nor in a mirror, nor on the network\)"
    assert re.search(rf"⚠ Skipped suites: .*; e3c {absent}", output)


def test_training_on_medical_text_finds_medical_mentions(study: tuple[Path, str]) -> None:
    """Even this encoder tells a little: exp1 has never seen MEDICAL, exp3 has."""
    metrics = study[0] / "metrics"
    results = {name: srsly.read_json(metrics / name / "scores.json") for name in ("exp1", "exp3")}
    f1 = {name: result["suites"]["combined"]["labels"]["MEDICAL"]["f1"] for name, result in results.items()}
    assert f1["exp1"] == 0.0
    assert f1["exp3"] > 0.0


@pytest.mark.parametrize("suite", ["med-ro", "combined"])
def test_metrics_are_what_spacy_evaluate_says(study: tuple[Path, str], suite: str) -> None:
    """Also where they are put together from several sources' predictions."""
    project = study[0]
    gold = f"corpus/{suite}/test.spacy"
    run(project, "-m", "spacy", "evaluate", "training/exp3/model-best", gold, "--output", "again.json")
    ours, theirs = (srsly.read_json(project / path) for path in (f"metrics/exp3/{suite}.json", "again.json"))
    for scores in (ours, theirs):
        assert scores.pop("speed") > 0
    assert ours == theirs


@pytest.mark.parametrize("suite", ["med-ro", "med-fr"])
def test_scores_with_counts_agree_with_spacy(study: tuple[Path, str], suite: str) -> None:
    """Where a suite annotates all labels."""
    metrics = study[0] / "metrics" / "exp3"
    theirs = srsly.read_json(metrics / f"{suite}.json")
    ours = srsly.read_json(metrics / "scores.json")["suites"][suite]
    keys = ("p", "r", "f1")
    expected = [theirs[f"ents_{key}"] for key in "prf"]
    assert [ours[key] for key in keys] == pytest.approx(expected, abs=1e-6)
    assert [ours["matching"]["strict"][key] for key in keys] == pytest.approx(expected, abs=1e-6)
    assert theirs["ents_per_type"]
    for label, scores in theirs["ents_per_type"].items():
        assert [ours["labels"][label][key] for key in keys] == pytest.approx([scores[k] for k in "prf"], abs=1e-6)


def test_every_suite_has_its_metrics(study: tuple[Path, str]) -> None:
    for name in ("exp1", "exp2", "exp3"):
        found = {path.name for path in (study[0] / "metrics" / name).iterdir()}
        suites = ("ronec", "med-ro", "med-fr", "combined")
        assert found == {
            *(f"{suite}.json" for suite in suites), *(f"{suite}.predictions.jsonl" for suite in suites),
            "scores.json", "counts.json.gz", "curve.json",
        }  # fmt: skip


def test_evaluations_are_logged(study: tuple[Path, str]) -> None:
    rows = list(srsly.read_jsonl(study[0] / "training" / "logs" / "exp1.jsonl"))
    assert len(rows) >= 10
    assert {"epoch", "step", "losses", "scores", "score"} <= set(rows[0])
    assert rows[-1]["losses"]["ner"] < rows[1]["losses"]["ner"]
    curve = srsly.read_json(study[0] / "metrics" / "exp1" / "curve.json")
    assert [evaluation["step"] for evaluation in curve["evaluations"]] == [row["step"] for row in rows]
    best = srsly.read_json(study[0] / "training" / "exp1" / "model-best" / "meta.json")["performance"]
    assert curve["best"]["f1"] == pytest.approx(best["ents_f"], abs=1e-6)


def test_a_second_run_compares_anew_and_does_nothing_else(study: tuple[Path, str]) -> None:
    dev = study[0] / "metrics" / "dev" / "exp3.json"
    written = dev.stat().st_mtime_ns
    output = run(study[0], "-m", "spacy", "project", "run", "all")
    steps = yaml.safe_load((study[0] / "project.yml").read_text())["workflows"]["all"]
    assert output.count("nothing changed") == len(steps) - 2
    assert re.findall(r"Running command: .*scripts/(\w+)\.py", output) == ["compare", "score_dev"]
    assert dev.stat().st_mtime_ns == written


def test_the_same_seed_gives_the_same_scores(study: tuple[Path, str], tmp_path: Path) -> None:
    project = study[0]
    output = run(project, "scripts/train.py", "exp1", "--output", str(tmp_path / "again"))
    assert re.search(r"Training takes about \d+ (seconds|minutes) \(\d+ batches, \d+ evaluations\)\n", output)
    first, again = (
        srsly.read_json(path / "model-best" / "meta.json")["performance"]
        for path in (project / "training" / "exp1", tmp_path / "again")
    )
    assert first["ents_f"] > 0
    assert first == again


def test_plain_spacy_train_works(study: tuple[Path, str], tmp_path: Path) -> None:
    output = run(
        study[0], "-m", "spacy", "train", "configs/exp2.cfg", "--output", str(tmp_path),
        "--training.max_steps", "2", "--paths.log", str(tmp_path / "log.jsonl"),
    )  # fmt: skip
    assert "Saved pipeline to output directory" in output
    assert spacy.load(tmp_path / "model-last").pipe_names == ["transformer", "ner", "edges", "doc_cleaner"]


def test_a_model_loads_without_the_package_and_without_a_network(study: tuple[Path, str], tmp_path: Path) -> None:
    """In an environment of its own that has spaCy and its kin, but not medner."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    for library in Path(sysconfig.get_path("purelib")).iterdir():
        if "medner" not in library.name:  # nor its metadata, whose entry points spaCy would load
            (Path(site) / library.name).symlink_to(library)
    shutil.copytree(study[0] / "training" / "exp3" / "model-best", tmp_path / "model")
    code = f"""
import importlib.util, sys
assert importlib.util.find_spec("medner") is None, "medner must be out of reach"
def no_network(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"asked the network: {{arguments}}")
sys.addaudithook(no_network)
import spacy
nlp = spacy.load({str(tmp_path / "model")!r})
for text in ({RO!r}, {FR!r}):
    doc = nlp(text)
    print([token.text for token in doc])
print(nlp.meta["medner"]["encoder"]["name"], len(nlp({(RO + " ") * 60!r})))
"""
    command = [str(python), "-I", "-c", code]  # -I: nor through PYTHONPATH
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "'l’', 'Hôpital'" in result.stdout
    assert "'d’', 'insuffisance', 'cardiaque'" in result.stdout
    assert "tiny" in result.stdout


def test_the_end_of_a_long_text_is_read(study: tuple[Path, str]) -> None:
    """No silent truncation: every token of a text of several thousand words gets a vector."""
    nlp = spacy.load(study[0] / "training" / "exp3" / "model-best")
    doc = nlp.get_pipe("transformer")(nlp.make_doc(f"{RO} {FR} " * 100))
    assert len(doc) > 3000
    assert (doc._.trf_data.align.lengths > 0).all()


def test_predictions_are_kept(study: tuple[Path, str]) -> None:
    """In the suite's order, as the pipeline finds them in raw text."""
    project = study[0]
    nlp = spacy.load(project / "training" / "exp3" / "model-best")
    saved = read_predictions(project / "metrics" / "exp3" / "combined.predictions.jsonl")
    gold = list(DocBin().from_disk(project / "corpus" / "combined" / "test.spacy").get_docs(nlp.vocab))
    assert [(one.source, one.id, one.text) for one in saved] == [
        (doc.user_data["source"], doc.user_data["id"], doc.text) for doc in gold
    ]
    assert [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in gold] == [[*one.gold] for one in saved]
    for one, doc in zip(saved, nlp.pipe(one.text for one in saved), strict=True):
        assert [*one.predicted] == [(e.start_char, e.end_char, e.label_) for e in doc.ents]
        assert [one.text[start:end] for start, end in one.tokens] == [token.text for token in doc]


def test_comparisons_are_written_and_printed(study: tuple[Path, str]) -> None:
    project, output = study
    comparisons = read_output(project / "metrics" / FILE, Significance, "significance").comparisons
    assert [(one.before, one.after) for one in comparisons if one.suite == "combined"] == [
        ("exp1", "exp2"), ("exp1", "exp3"), ("exp2", "exp3")
    ]  # fmt: skip
    text = (project / "metrics" / "significance.md").read_text()
    assert "Encoder: tiny, revision 1" in text
    scores = {name: read_run(project / "metrics" / name).scores.suites for name in ("exp1", "exp2", "exp3")}
    for one in comparisons:
        difference = scores[one.after][one.suite].f1 - scores[one.before][one.suite].f1
        assert one.difference == pytest.approx(difference, abs=2e-6)
        assert f"- {sentence(one)}\n" in text
        assert f"{one.suite}: {sentence(one)}" in output


def test_further_seeds(study: tuple[Path, str], tmp_path: Path) -> None:
    """Made with the steps themselves, not made twice, continued where they stopped, and shown with their spread."""
    project = tmp_path / "study"
    shutil.copytree(study[0], project)

    seeds = ("scripts/seeds.py", "exp1", "--seeds", "0,1")
    output = run(project, *seeds, "--keep-models")
    assert "exp1, seed 0 (1 of 2): evaluated before" in output
    assert "Trained exp1" in output
    folder, model = project / "metrics" / "seeds" / "1" / "exp1", project / "training" / "seeds" / "1" / "exp1"
    assert srsly.read_json(folder / "scores.json")["provenance"]["seed"] == 1
    assert (folder / "curve.json").read_text() != (project / "metrics" / "exp1" / "curve.json").read_text()
    assert (model / "model-best").is_dir()
    assert not (project / "metrics" / "seeds" / "0").exists()

    shutil.rmtree(folder)  # as if the evaluation had been killed
    output = run(project, *seeds)
    assert "Trained exp1" not in output
    assert "Evaluated exp1" in output
    assert not model.exists()
    assert "Evaluated" not in run(project, *seeds)

    assert re.search(
        r"^\| exp1 \| 2 \| \*\*0\.\d{3}\*\* ± 0\.\d{3} \|", run(project, "scripts/summarise.py"), re.MULTILINE
    )


def test_an_experiment_that_has_no_command_of_its_own(study: tuple[Path, str], tmp_path: Path) -> None:
    """The generic workflow runs it; a run that is there is not repeated, whatever ran in between."""
    project = tmp_path / "study"
    shutil.copytree(study[0], project)
    study_file = project / "configs" / "experiments.yml"
    study_file.write_text(
        study_file.read_text().replace("\nexperiments:\n", "\nexperiments:\n  new: {model: bio, sources: [med-ro]}\n")
    )

    def workflow(experiment: str, epochs: int = 1) -> str:
        variables = ("--vars.experiment", experiment, "--vars.epochs", str(epochs))
        return run(project, "-m", "spacy", "project", "run", "experiment", ".", *variables)

    for experiment, epochs, confidences in (("new", 20, True), ("exp1-cnn", 1, False)):
        assert f"Trained {experiment} on" in workflow(experiment, epochs)
        assert (project / "metrics" / experiment / "scores.json").is_file()
        assert (project / "metrics" / experiment / "calibration.json").is_file() is confidences
    trained = spacy.load(project / "training" / "new" / "model-best").get_pipe("ner")
    assert isinstance(trained, BioRecogniser)
    assert trained.temperature != 1.0  # fitted to the dev data
    output = workflow("new", 20)
    assert "new (1 of 1): evaluated before" in output
    assert "Trained" not in output
    # The new experiment is a reason to convert the corpora again, but not to train the others again.
    assert "Skipping 'train-exp1': nothing changed" in run(project, "-m", "spacy", "project", "run", "train-exp1")


def test_learning_curves(study: tuple[Path, str], tmp_path: Path) -> None:
    """Sizes of their own are trained; none and all of a mix are the experiments' runs; nothing is made twice."""
    project = tmp_path / "study"
    shutil.copytree(study[0], project)
    plan = yaml.safe_load((project / "configs" / "experiments.yml").read_text())
    plan["curves"] |= {"sizes": [30], "mixes": {"ro": "exp2"}, "suites": {"med-ro": "ro"}, "budgets": []}
    (project / "configs" / "experiments.yml").write_text(yaml.safe_dump(plan, sort_keys=False))
    for times in (1, 0):
        output = run(project, "scripts/curves.py", "--seeds", "0")
        assert output.count("Trained exp2 on 110 sentences") == times
    rows = srsly.read_json(project / "metrics" / "curves.json")
    assert [(row["mix"], row["sentences"], row["suite"]) for row in rows] == [
        ("ro", size, "med-ro") for size in (0, 30, 100)
    ]
    main = srsly.read_json(project / "metrics" / "exp2" / "scores.json")["suites"]["med-ro"]["f1"]
    assert rows[-1]["f1"] == main
    assert not (project / "training" / "curves" / "ro" / "30" / "0").exists()


KNOWN = load_study(ROOT / "configs" / "experiments.yml").trained
UNKNOWN = f"experiments.yml: no experiment exp9 that trains a pipeline. Use one of: {', '.join(KNOWN)}."


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["train.py", "exp9"], UNKNOWN),
        (["train.py", "exp1", "--epochs", "none"], "--epochs is 'none'. Give a whole number from 1, or auto."),
        (
            ["train.py", "gold-fr"],
            "gold-fr cannot be trained: quaero is neither present, nor in a mirror, nor on the network. Give a mirror that "
            "holds it (MEDNER_MIRROR), then run the fetch step with --force and the corpus step.",
        ),
        (
            ["train.py", "exp1", "--gpu", "0"],
            "Give -1 for the CPU, or install CuPy for CUDA 13: pip install -e '.[gpu]'.",
        ),
        (["evaluate.py", "exp9"], "no such pipeline. Check the name, or train it first: scripts/train.py."),
        (
            ["summarise.py", "--metrics", "nonesuch"],
            "nonesuch: no such folder. Check the path, or run an evaluate step first.",
        ),
        (
            ["seeds.py", "exp1", "--seeds", "1,two"],
            "--seeds is '1,two'. Give whole numbers separated by commas, as in 0,1,2.",
        ),
        (["seeds.py", "exp1", "--epochs", "0"], "--epochs is '0'. Give a whole number from 1, or auto."),
        (["seeds.py", "exp9"], UNKNOWN),
        (["run_experiments.py", "exp9"], UNKNOWN),
        (
            ["compare.py", "--metrics", "nonesuch"],
            "nonesuch: no such folder. Check the path, or run an evaluate step first.",
        ),
        *(
            (
                [script, "--mirror", "nonesuch"],
                "nonesuch: no such folder. Correct --mirror or MEDNER_MIRROR, or leave it out.",
            )
            for script in ("fetch.py", "prepare_encoder.py")
        ),
        (["convert.py", "--persons", "some"], "--persons: Input should be 'named' or 'all'. Correct the option."),
        (["convert.py", "--root", "nonesuch"], "manifest.json: no such file. Run the fetch step first."),
    ],
)
def test_bad_arguments_give_one_line_and_exit_code_1(
    study: tuple[Path, str], command: list[str], expected: str
) -> None:
    result = python(study[0], f"scripts/{command[0]}", *command[1:])
    assert result.returncode == 1
    assert result.stderr.strip().split("\n")[-1].endswith(expected)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ("--components.tok2vec.model.@architectures spacy.HashEmbedCNNN.v2", "Could not find function 'spacy.HashEmb"),
        ("--components.ner.factory nerr", "Can't find factory for 'nerr'"),
        ("--training.optimizer.beta2 .98", "Invalid schedule for 'b2' (<class 'str'>)"),
        ("--paths.train configs/exp1.cfg", "configs/exp1.cfg: not a DocBin ("),
    ],
)
def test_a_config_that_cannot_be_used(study: tuple[Path, str], tmp_path: Path, overrides: str, expected: str) -> None:
    command = ("scripts/train.py", "exp1-cnn", "--output", str(tmp_path / "model"))
    result = python(study[0], *command, SPACY_CONFIG_OVERRIDES=overrides)
    assert result.returncode == 1
    assert expected in result.stderr.strip().split("\n")[-1]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "model").exists()


SCRIPTS = [path.name for path in (ROOT / "scripts").glob("*.py") if "new_app()" in path.read_text()]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_has_an_example(script: str) -> None:
    assert f"Example: python scripts/{script}" in run(ROOT, f"scripts/{script}", "--help")
