"""How processes ask each other, and how clients are answered: calls, errors, draining, pages."""
