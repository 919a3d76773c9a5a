"""Predictions turned into scores, comparisons, learning curves and classes of errors."""
