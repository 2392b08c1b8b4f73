"""The parts of `gpu.py`: a module per section of its table, each with a function ``rows(run)``."""
