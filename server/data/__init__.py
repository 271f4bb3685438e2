"""The data folder: what lies in it, and the tools that read and write it beside a server."""
