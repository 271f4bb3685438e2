"""What every gRPC service here shares: errors as the contract has them, draining, pages."""
