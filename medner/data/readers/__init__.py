"""One module per corpus; each yields :class:`medner.data.records.Record` with the corpus's own labels."""
