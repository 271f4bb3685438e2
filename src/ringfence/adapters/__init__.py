"""Switch adapters: each reads what one kind of equipment reports and sends it as events."""
