"""Evaluation of data sets: protocols, baselines, comparison, corruptions and scores."""
