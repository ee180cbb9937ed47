"""Field time: one virtual clock for every process of a demonstration, its owner and its participants."""
