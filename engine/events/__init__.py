"""Events on their way into rings: off the wire, marked, told from spray, inserted."""
