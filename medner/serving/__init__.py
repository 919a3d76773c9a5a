"""The server of ``medner serve``: pipelines behind an HTTP interface, and a page that compares them."""
