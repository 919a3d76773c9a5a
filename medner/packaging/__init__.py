"""Pipelines as wheels with a model card, and their publication on a model hub."""
