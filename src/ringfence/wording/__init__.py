"""How verdicts, rules, events and times are said to people, in a terminal or elsewhere."""
