"""Call detail records of 3GPP TS 32.298, as the Basic Encoding Rules write them (X.690)."""
