"""medner: multilingual and synthetic medical NER for low-resource languages."""

import sys

__version__ = "0.1.0"

# Weasel's checksum of a folder that a command depends on, such as medner/data, takes in every file there: with
# __pycache__ it would change from run to run.
sys.dont_write_bytecode = True
