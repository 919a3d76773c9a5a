"""medner: multilingual and synthetic medical NER for low-resource languages."""

import sys
from pathlib import Path

__version__ = "0.1.0"

# In a checkout, commands of project.yml depend on folders such as medner/data. Weasel's checksum of a folder takes in
# __pycache__, which would change it from run to run. An installed package is left alone.
if (Path(__file__).parent.parent / "project.yml").is_file():
    sys.dont_write_bytecode = True
