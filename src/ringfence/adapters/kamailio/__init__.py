"""Kamailio's script reports calls: pushed over EVAPI, or pulled from an mqueue over JSON-RPC."""
