"""The table: records found by their number, their headers, their rings."""
