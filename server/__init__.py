"""The edges: processes, gRPC services, configuration, command line, demo and adapters."""
