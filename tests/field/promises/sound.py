"""What holds for models that train well, oddly built ones among them."""

from field.causes import text_of
from field.expected import ACCUSED
from field.register import BACKEND, every_case
from field.running import entry_of, plain, said_about, watched

__all__ = ["test_healthy_models_are_called_healthy", "test_healthy_models_learn"]


@every_case()
def test_healthy_models_learn(name):
    first, *_, last = plain(name).history["loss"]

    assert last < first


@every_case(wrong=ACCUSED[BACKEND])
def test_healthy_models_are_called_healthy(name):
    allowed = entry_of(name).allowed

    wrong = [text_of(each) for each in said_about(name) if each.rule not in allowed]

    assert not wrong
    assert watched(name).report.healthy or allowed
