"""How numbers and times are written by people, and verdicts, rules and events said to them."""
