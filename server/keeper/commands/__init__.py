"""What all commands share: their one order, and the fields that several have."""
