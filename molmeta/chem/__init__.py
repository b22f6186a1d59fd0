"""From text to tensors: SMILES reading, standardization, graphs, fingerprints, similarity."""
