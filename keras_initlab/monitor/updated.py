"""What one training step did to the weights."""

from dataclasses import dataclass, field
from typing import Any

from keras import ops

from keras_initlab import _backend

__all__ = ["Updated"]


@dataclass
class Updated:
    """What one training step did to the weights.

    Args:
        variables: The weights that an optimizer has updated.
        gradients: Gradient of each weight, as the optimizer received it.
        values: Value of each weight after the update; `None` if the variables themselves hold it.
    """

    variables: list[Any] = field(default_factory=list)
    gradients: list[Any] = field(default_factory=list)
    values: list[Any] | None = None

    def parts(self) -> list[Any]:
        """The new values; of a table with a sparse gradient the rows that have moved."""
        if self.values is not None:
            return self.values
        pairs = zip(self.variables, self.gradients, strict=True)
        return [_backend.updated_part(variable, gradient) for variable, gradient in pairs]

    def with_others(self, variables: list[Any], values: list[Any] | None = None) -> "Updated":
        """These weights, and other variables of the model and its optimizers.

        Args:
            variables: Variables, with those that are here already among them.
            values: Value of each variable after the step, if the variables themselves do not hold
                it.
        """
        known = {id(variable) for variable in self.variables}
        places = [k for k, variable in enumerate(variables) if id(variable) not in known]
        others = None if values is None else [values[k] for k in places]
        return Updated(
            [*self.variables, *(variables[k] for k in places)],
            [*self.gradients, *[None] * len(places)],
            None if self.values is None else [*self.values, *(others or [])],
        )

    def whole(self) -> list[Any]:
        """The new values, of tables too."""
        if self.values is not None:
            return self.values
        return [ops.convert_to_tensor(variable.value) for variable in self.variables]
