"""The report: what the runs say, as a page, a Markdown file and slides.

``inputs`` reads what the steps wrote, ``content`` says it in sections and tables, ``answer`` and ``exchange`` draw what
conclusions the numbers bear, ``figures`` draws, ``pages`` writes the three files from the same content.
"""
