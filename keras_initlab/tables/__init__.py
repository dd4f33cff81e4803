"""Tables that outgrow a model's memory, or its vocabulary."""

from keras_initlab.tables.carrying.carried import Carried, CarriedTable
from keras_initlab.tables.carrying.carry import carry_over
from keras_initlab.tables.growing import extend_table, fill_cold_rows
from keras_initlab.tables.moving import move_rows
from keras_initlab.tables.streaming import initialize_to

__all__ = [
    "Carried",
    "CarriedTable",
    "carry_over",
    "extend_table",
    "fill_cold_rows",
    "initialize_to",
    "move_rows",
]
