"""LSUV, Mishkin and Matas 2015: weights corrected by a batch."""
