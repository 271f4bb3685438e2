"""What is written, in order, and stays: the journal, LMDB under it, the values that it holds."""
