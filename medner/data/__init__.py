"""From corpora as published to DocBin files: downloads, readers, labels, tokens, overlap, and what the text is like."""
