"""The small language of formulas: read as Python would read it, and never by Python."""

import re
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
    Name,
    Number,
    computed_in,
    names_in,
    parse,
)
from slope.expression_tokens import ExpressionFault
from slope.spec.graph import GraphRequest

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


def read(text: str) -> str:
    """The one statement of a formula without names for results."""
    [statement] = parse(text)
    assert statement.name is None
    return brackets(statement.expression)


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
        ours = value(read(text))
    except ExpressionFault as fault:
        assert "power" in str(fault)  # noqa: PT017
        return
    theirs = value(text)
    assert ours == theirs or (ours != ours and theirs != theirs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-x**2", "(-((x**2.0)))"),
        ("2**-x**2", "(2.0**(-((x**2.0))))"),
        ("x - y - 1", "((x-y)-1.0)"),
        ("x/y*2", "((x/y)*2.0)"),
        ("sin(x)**2", "((sin(x))**2.0)"),
        ("--x", "(-((-(x))))"),
    ],
)
def test_a_formula_is_read_from_left_to_right_and_powers_from_the_right(text: str, expected: str) -> None:
    assert read(text) == expected


def test_the_names_of_a_formula_come_with_their_first_places() -> None:
    assert names_in(parse("(x*w - y)**2 + w")) == {"x": 1, "w": 3, "y": 7}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c = a + b; c**2", [("c", "(a+b)"), (None, "(c**2.0)")]),
        ("c = a\nc += c + 1\nc", [("c", "a"), ("c", "(c+(c+1.0))"), (None, "c")]),
        (
            "c = 1; c -= a; c *= 2; c /= b; c **= 2",
            [*[("c", x) for x in ("1.0", "(c-a)", "(c*2.0)", "(c/b)", "(c**2.0)")]],
        ),
        ("\n\n c = (a +\r\n b) *\n 2 ;\n\n c \n;", [("c", "((a+b)*2.0)"), (None, "c")]),
    ],
    ids=["semicolons", "lines", "every operator", "space"],
)
def test_results_have_names_from_one_statement_to_the_next(text: str, expected: list[tuple[str | None, str]]) -> None:
    assert [(each.name, brackets(each.expression)) for each in parse(text)] == expected


def test_a_name_needs_a_value_only_where_it_is_used_before_it_is_computed() -> None:
    program = parse("c = a + b; a += c; d = a; d - e")
    assert names_in(program) == {"a": 4, "b": 8, "e": 30}
    assert computed_in(program) == {"a", "c", "d"}


def test_operations_of_all_statements_count_together_and_a_result_that_is_used_again_counts_once() -> None:
    most = "c = x; " + "c *= c; " * MAX_OPERATIONS
    assert len(parse(most)) == MAX_OPERATIONS + 1
    with pytest.raises(ExpressionFault, match=f"more than {MAX_OPERATIONS} operations, at character {len(most) + 2}"):
        parse(most + "c + c")


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
    "too many arguments": ("max(x, y, 1)", 8),
    "too few arguments": ("x + max(y)", 9),
    "an assignment of nothing": ("x =", 3),
    "an assignment within brackets": ("(x = 1)", 3),
    "an assignment to a number": ("1 = x", 2),
    "an assignment to a sum": ("x + y = 1", 6),
    "an assignment to a function": ("sin = x", 0),
    "two assignments": ("x = y = 1", 6),
    "a walrus": ("(x := 1)", 3),
    "a comparison": ("x < y", 2),
    "an equality": ("x == y", 3),
    "a lost value": ("c = 1; x; y", 7),
    "a lost line": ("x\n+ y", 0),
    "a semicolon within brackets": ("(x; y)", 2),
    "a semicolon after an operator": ("x + ; y", 4),
    "a huge power of a result": ("c = x; c **= 101", 13),
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
    "a long text": ("x + " * MAX_LENGTH + "x", MAX_LENGTH),
    "a megabyte": ("(" * 2**20, MAX_LENGTH),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_formula_is_refused_at_the_character_where_it_goes_wrong(kind: str) -> None:
    text, place = HOSTILE[kind]
    with pytest.raises(ExpressionFault) as refused:
        parse(text)
    assert refused.value.position == place
    assert str(refused.value).endswith(f", at character {place}")
    assert str(refused.value).isascii()  # no look-alike is shown as what it looks like


def test_who_writes_a_power_as_others_do_is_told_how_it_is_written_here() -> None:
    with pytest.raises(ExpressionFault, match=r"powers are written with \*\*, at character 1"):
        parse("x^2")


@given(st.text(max_size=60))
def test_any_text_is_a_formula_or_a_fault_within_it(text: str) -> None:
    try:
        parse(text)
    except ExpressionFault as fault:
        assert 0 <= fault.position <= len(text)  # noqa: PT017


def test_the_description_of_a_request_names_every_function() -> None:
    description = GraphRequest.model_fields["expression"].description or ""
    assert [name for name in FUNCTIONS if not re.search(rf"\b{name}\b", description)] == []
