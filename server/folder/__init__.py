"""What lies where on this machine: data folder, run folder, journals, locks, truncation marks."""
