"""Few-shot molecular property prediction."""
