"""What training hands to serving: a graph and a manifest, and the store they are published to."""
