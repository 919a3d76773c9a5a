"""The report: what the runs show, as a page, a Markdown file and slides.

``inputs`` reads what the steps wrote. ``answer`` and ``exchange`` draw the conclusions that the numbers allow.
``sections`` puts both into sections and tables, ``figures`` draws, and ``pages`` writes the three files. ``summary`` is
the same in one table, for ``summary.md`` and the README.
"""
