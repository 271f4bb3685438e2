"""The shared memory: its layout, the atomic operations on it, the mapping."""
