"""The small language of formulas: read as Python would read it, and never by Python."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slope.expression import (
    FUNCTIONS,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_OPERATIONS,
    Expression,
    ExpressionFault,
    Name,
    Number,
    names_in,
    parse,
)

VALUES = {"x": 1.25, "y": -0.75, "w_1": 2.0}


def brackets(expression: Expression) -> str:
    """A formula with a bracket around everything."""
    if isinstance(expression, Number):
        return repr(expression.value)
    if isinstance(expression, Name):
        return expression.name
    operands = [brackets(operand) for operand in expression.operands]
    if len(operands) == 2:
        return f"({operands[0]}{expression.operator}{operands[1]})"
    return f"({expression.operator}({operands[0]}))"


def formulas() -> st.SearchStrategy[str]:
    """Formulas with as few brackets as chance will have it."""
    atoms = st.sampled_from([*VALUES, "2", "0.5", ".25", "3.", "1e-1", "2E+0"])
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", " - ", "*", "/", "**"]), inner).map("".join),
            inner.map("({})".format),
            inner.map("-{}".format),
            inner.map("+ {}".format),
        ),
        max_leaves=8,
    )


def value(text: str) -> Any:
    try:
        return eval(text, {}, VALUES)
    except (ZeroDivisionError, OverflowError) as error:
        return type(error)


@given(formulas())
def test_operators_bind_as_they_do_in_python(text: str) -> None:
    try:
        read = brackets(parse(text))
    except ExpressionFault as fault:
        assert "power" in str(fault)  # noqa: PT017
        return
    ours, theirs = value(read), value(text)
    assert ours == theirs or (ours != ours and theirs != theirs)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("-x**2", "(-((x**2.0)))"),
        ("2**-x**2", "(2.0**(-((x**2.0))))"),
        ("x - y - 1", "((x-y)-1.0)"),
        ("x/y*2", "((x/y)*2.0)"),
        ("sin(x)**2", "((sin(x))**2.0)"),
        ("--x", "(-((-(x))))"),
    ],
)
def test_a_formula_is_read_from_left_to_right_and_powers_from_the_right(text: str, read: str) -> None:
    assert brackets(parse(text)) == read


def test_the_names_of_a_formula_come_with_their_first_places() -> None:
    assert names_in(parse("(x*w - y)**2 + w")) == {"x": 1, "w": 3, "y": 7}


HOSTILE: dict[str, tuple[str, int]] = {
    "nothing": ("", 0),
    "only space": ("   ", 3),
    "two operands": ("x y", 2),
    "an open bracket": ("(x + (y", 7),
    "a closing bracket": ("x)", 1),
    "an empty bracket": ("x*()", 3),
    "an operator at the end": ("x +", 3),
    "a strange operator": ("x // y", 3),
    "a comma": ("sin(x, y)", 5),
    "an unknown function": ("x + eval(y)", 4),
    "a function without its argument": ("x + sin", 4),
    "a function of nothing": ("sin()", 4),
    "a dunder name": ("__import__", 0),
    "an attribute": ("x.__class__", 1),
    "a call of a call": ("sin(x)(y)", 6),
    "an index": ("x[0]", 1),
    "a string": ("'x'", 0),
    "a lambda": ("lambda: x", 6),
    "an assignment": ("x = 1", 2),
    "a walrus": ("(x := 1)", 3),
    "a comparison": ("x < y", 2),
    "a statement": ("x; y", 1),
    "a comment": ("x # y", 2),
    "a hexadecimal number": ("0xff", 1),
    "an imaginary number": ("2j", 1),
    "two points": ("1.2.3", 3),
    "a number beyond doubles": ("x + 1e999", 4),
    "a huge power": ("x**1000000", 3),
    "a tower of powers": ("9**9**999", 6),
    "a huge negative power": ("x**-101", 3),
    "a name that is too long": ("x" * 33, 32),
    "a look-alike letter": ("x*\u0445", 2),
    "a look-alike operator": ("x \u2217 y", 2),
    "a wide letter": ("\uff58", 0),
    "an Arabic digit": ("\u0663 + x", 0),
    "a superscript": ("x\u00b2", 1),
    "a zero-width space": ("x\u200b*y", 1),
    "a change of direction": ("x\u202e*y", 1),
    "a NUL": ("x\x00", 1),
    "a surrogate": ("\ud800", 0),
    "deep brackets": ("(" * 400 + "x" + ")" * 400, MAX_DEPTH),
    "deep signs": ("-" * 900 + "x", MAX_DEPTH),
    "deep functions": ("sin(" * 150 + "x" + ")" * 150, 4 * MAX_DEPTH),
    "deep powers": ("x**" * 300 + "2", 3 * MAX_DEPTH),
    "many operations": ("+".join("x" * 300), 2 * MAX_OPERATIONS + 1),
    "a long text": ("x + " * 250 + "x", MAX_LENGTH),
    "a megabyte": ("(" * 2**20, MAX_LENGTH),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_formula_is_refused_at_the_character_where_it_goes_wrong(kind: str) -> None:
    text, place = HOSTILE[kind]
    with pytest.raises(ExpressionFault) as refused:
        parse(text)
    assert refused.value.place == place
    assert str(refused.value).endswith(f", at character {place}")
    assert str(refused.value).isascii()  # no look-alike is shown as what it looks like


@given(st.text(max_size=60))
def test_any_text_is_a_formula_or_a_fault_within_it(text: str) -> None:
    try:
        parse(text)
    except ExpressionFault as fault:
        assert 0 <= fault.place <= len(text)  # noqa: PT017


def test_the_functions_are_those_that_are_told() -> None:
    told = {"sin", "cos", "exp", "log", "tanh", "sigmoid", "relu", "abs", "square"}
    assert told == FUNCTIONS
