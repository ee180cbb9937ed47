"""Documents that people write, YAML or JSON: read with line numbers, and every mistake told at once."""
