"""How a start brings everything back, and the snapshots that make it short."""
