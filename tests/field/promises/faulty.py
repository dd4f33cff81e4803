"""What holds for models with a fault."""

from field.causes import names_cause, names_place, text_of
from field.expected import UNNAMED
from field.register import BACKEND, every_case
from field.running import entry_of, said_about

__all__ = ["test_faults_are_named"]


@every_case(wrong=UNNAMED[BACKEND])
def test_faults_are_named(name):
    entry, said = entry_of(name), said_about(name)

    named = [each for each in said if names_cause(entry, each)]

    assert named, [text_of(each) for each in said]
    assert any(names_place(entry, each) for each in named)
