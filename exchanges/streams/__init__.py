"""Trade streams: one typed decoder a venue, and the supervisor that keeps them alive."""
