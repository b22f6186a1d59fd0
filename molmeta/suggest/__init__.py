"""Which compounds of a library to measure next: acquisition functions and diverse batches.

`suggest` (`run.py`) is the door. The rows of a library pass `candidates.py`, which keeps those that are worth
most by themselves, then `batch.py`, which picks among them, then `reasons.py`, which says why.
"""
