"""The control plane: every command, in one order, journalled, applied and answered."""
