"""Policies tried on history: the engine itself, with the clock moved along.

`play` takes a history (`generated.py`, `journalled.py`, `imported.py`) and candidates, and gives
an `Outcome` for each. README.md defines every figure.
"""
