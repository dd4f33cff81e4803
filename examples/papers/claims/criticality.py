"""Roberts, Yaida and Hanin 2022: pairs that hold GELU and SiLU in depth."""
