"""One module per corpus; each yields records (:class:`medner.data.records.Record`) with the corpus's own labels."""
