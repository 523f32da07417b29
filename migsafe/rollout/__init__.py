"""Traffic providers, gates, and the controller that ties the schema's stages to the traffic."""
