"""What a data set is good for: the protocol, baselines, comparison, corruptions, scores."""
