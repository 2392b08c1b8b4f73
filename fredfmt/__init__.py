"""fredfmt: a compressed format, toolkit and loader for distilled datasets, in the frequency domain."""
