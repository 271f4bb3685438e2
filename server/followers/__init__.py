"""What reads what the keeper wrote: the history."""
