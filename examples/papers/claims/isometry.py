"""Saxe 2013, Pennington 2017, Xiao 2018: orthogonal weights keep every direction's length."""
