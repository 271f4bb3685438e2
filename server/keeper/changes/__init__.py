"""Who hears of what the keeper decided: watchers, and those who follow its journal."""
