"""The water scorecard: irrigation policies in closed loop with a crop model that knows nothing of them."""
