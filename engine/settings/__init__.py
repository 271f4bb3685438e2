"""What decides when a number is clean: the objects, published to the segment and read back."""
