"""Sentences and annotations from a language model: plan, ask, keep every answer, judge.

``config`` reads what a language needs, ``planning`` decides what to ask for, ``client`` asks, ``ledger`` keeps what was
paid for, ``markup`` turns answers into exact spans, ``gates`` judges them, ``run`` joins these.
"""
