"""The verdict, and who asks for it: for some numbers, for one explained, for all in a sweep."""
