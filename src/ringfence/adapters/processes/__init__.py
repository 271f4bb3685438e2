"""Several processes that read one HEP port, and the one memory behind them."""
