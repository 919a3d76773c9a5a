"""The encoder a pipeline starts from, how it is trained, and what it predicts."""
