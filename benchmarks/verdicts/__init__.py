"""How far a verdict before the first step can be trusted, on models drawn at random."""
