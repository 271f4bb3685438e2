"""Short messages over SMPP 3.4: a gateway binds to us, or we bind to an SMS centre."""
