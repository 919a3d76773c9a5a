"""Sentences and annotations from a language model: plan, ask, keep every answer, judge.

``config`` reads the settings of a language, ``planning`` decides what to ask for, ``client`` and ``batch`` ask,
``ledger`` keeps what was paid for, ``gates`` checks sentences. ``writing`` and ``annotating`` are the two kinds of
work; ``run`` and ``asking`` carry them out.
"""
