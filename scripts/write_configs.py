"""Write configs/NAME.cfg of the study's steps, for plain `spacy train`."""

from __future__ import annotations

from medner.command_line import ROOT, good, new_app, step
from medner.files import write_text
from medner.model.configs import experiment_config
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/write_configs.py")
@step
def main() -> None:
    """Write configs/NAME.cfg of every step of the study from its model's config; only [paths] experiment differs."""
    steps = load_study(ROOT / "configs" / "experiments.yml").steps
    for name in steps:
        write_text(ROOT / "configs" / f"{name}.cfg", experiment_config(ROOT, name))
    good(f"Wrote configs/: {', '.join(f'{name}.cfg' for name in steps)}")


if __name__ == "__main__":
    app()
