"""One module per corpus; each yields :class:`medner.records.Record` with the corpus's own labels."""
