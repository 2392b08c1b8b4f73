"""Evaluation of datasets: protocols, baselines, comparison, corruptions and scores."""
