"""Pipelines as wheels with a model card, and their way to a model hub."""
