"""The signalling of core networks, through tshark."""
