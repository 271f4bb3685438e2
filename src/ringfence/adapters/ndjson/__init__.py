"""What any program can write: a line of JSON for each attempt."""
