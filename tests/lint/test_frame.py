"""A code frame shows the right lines with marks under the right cells, on any terminal."""

from migsafe.lint.frame import MAX_LINES, code_frame, printable
from migsafe.lint.model import Finding, Severity
from migsafe.sql.position import Lines


def frame(text: str, start: tuple[int, int], end: tuple[int, int]) -> list[str]:
    finding = Finding(
        rule="x",
        id="MS001",
        severity=Severity.ERROR,
        path="x.sql",
        line=start[0],
        column=start[1],
        end_line=end[0],
        end_column=end[1],
        message="",
        why="",
        instead="",
    )
    return code_frame(Lines(text), finding)


def test_marks_stand_under_the_span() -> None:
    assert frame("SELECT 1; DROP t;", (1, 11), (1, 17)) == ["1 | SELECT 1; DROP t;", "  |           ^^^^^^"]


def test_every_line_of_a_span_is_marked_without_its_indentation() -> None:
    assert frame("A\n  B\nC D", (1, 1), (3, 2)) == [
        "1 | A",
        "  | ^",
        "2 |   B",
        "  |   ^",
        "3 | C D",
        "  | ^",
    ]


def test_a_long_span_shows_its_first_lines_and_its_last() -> None:
    shown = frame("x\n" * 40, (1, 1), (40, 2))
    assert [line for line in shown if "x" in line][-1] == "40 | x"
    assert sum("x" in line for line in shown) == MAX_LINES
    assert "... |" in shown


def test_wide_characters_and_tabs_keep_the_marks_in_place() -> None:
    assert frame("象象 x", (1, 4), (1, 5)) == ["1 | 象象 x", "  |      ^"]
    assert frame("\tx", (1, 2), (1, 3)) == ["1 |     x", "  |     ^"]


def test_control_characters_are_shown_harmlessly() -> None:
    assert frame("a\x1b[31mb\u202e", (1, 1), (1, 2)) == ["1 | a?[31mb?", "  | ^"]
    assert printable("a\nb\x07") == "a?b?"


def test_a_very_long_line_is_cut_around_the_span() -> None:
    shown = frame("x" * 100_000 + "DROP" + "y" * 100_000, (1, 100_001), (1, 100_005))
    assert "DROP" in shown[0]
    assert len(shown[0]) < 200
    assert shown[1].index("^") == shown[0].index("DROP")


def test_an_empty_span_still_gets_a_mark() -> None:
    assert frame("ab", (1, 2), (1, 2)) == ["1 | ab", "  |  ^"]
    assert frame("", (1, 1), (1, 1)) == ["1 |", "  | ^"]
