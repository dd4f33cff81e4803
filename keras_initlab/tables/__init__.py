"""Tables that outgrow a model's memory, or its vocabulary."""

from keras_initlab.tables.growing import extend_table, fill_cold_rows
from keras_initlab.tables.streaming import initialize_to

__all__ = ["extend_table", "fill_cold_rows", "initialize_to"]
