"""What commands do to numbers: quarantine, hold, restore, retire, move, let go."""
