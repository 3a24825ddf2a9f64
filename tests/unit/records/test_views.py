"""What all answers are made of."""

from slope.answers.view import Page


def test_a_page_is_described_and_so_is_what_derives_from_it() -> None:
    class Shelf(Page[int]):
        room: int = 0
        """How many more go in."""

    told = {name: field.description for name, field in Shelf.model_fields.items()}
    assert told == {name: field.description for name, field in Page.model_fields.items()} | {
        "room": "How many more go in."
    }
    assert not Page[int].model_config["use_attribute_docstrings"]
