"""The tags of Keras's own numbers of an epoch, for their writer and the tab."""

__all__ = ["metric_of_tag", "tag_of_metric"]


def tag_of_metric(name: str) -> str:
    """The tag of one of Keras's numbers of an epoch, by its name in the logs of `fit`.

    Example:
        >>> tag_of_metric("loss"), tag_of_metric("val_loss")
        ('epoch_loss', 'evaluation_loss')
    """
    return f"evaluation_{name[4:]}" if name.startswith("val_") else f"epoch_{name}"


def metric_of_tag(tag: str) -> str:
    """The name in the logs of `fit` of a metric that is logged under a tag, by ours or Keras's.

    Example:
        >>> metric_of_tag("evaluation_loss_vs_iterations"), metric_of_tag("epoch_auc")
        ('val_loss', 'auc')
    """
    plain = tag.removesuffix("_vs_iterations")
    if plain.startswith("evaluation_"):
        return "val_" + plain.removeprefix("evaluation_")
    return plain.removeprefix("epoch_")
