"""Files of call detail records that are read while a switch writes them."""
