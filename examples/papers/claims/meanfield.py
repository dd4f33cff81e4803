"""Poole 2016, Schoenholz 2017: length and correlation maps, the edge of chaos, trainable depth."""
