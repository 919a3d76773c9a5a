"""medner: multilingual and synthetic medical NER for low-resource languages."""

__version__ = "0.1.0"
