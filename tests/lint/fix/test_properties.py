"""Whatever stands around a statement: its fix hits the right characters, and everything else stays."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migsafe.lint.fix.model import Edit, apply_edits, make_fix
from migsafe.lint.fix.place import semicolon_end
from migsafe.sql.operations import Operation
from migsafe.sql.script import read_script
from migsafe.sql.written import NotAsExpected
from tests.lint.fix.cases import CASES, Case, repair

FIXED = tuple(case for case in CASES if case.fixed != case.script)
# Tools find their halves by markers: a text in front of one, or behind the down half, means something else.
PLAIN = tuple(case for case in FIXED if case.tool == "sql")
REFUSED = tuple(case for case in CASES if case.fixed == case.script)
WORDS = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="*/\r\n\0", exclude_categories=["Cs"]),
    max_size=12,
)
COMMENTS = st.one_of(
    WORDS.map(lambda text: f"-- {text}\n"),
    WORDS.map(lambda text: f"/* {text}\n 😀 */ "),
    st.sampled_from(["", "\n", "\t\n", " "]),
)
bounded = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def is_text_for_us(text: str) -> bool:
    return "migsafe" not in text and "+" not in text


@bounded
@given(case=st.sampled_from(PLAIN), before=COMMENTS.filter(is_text_for_us), after=COMMENTS)
def test_what_stands_around_a_script_stays(case: Case, before: str, after: str) -> None:
    text = f"{before}\nSELECT 'ü';\n\n{case.script}\n{after}"
    done = repair(case, text).text
    assert done.startswith(f"{before}\nSELECT 'ü';\n")
    assert done.endswith(after)
    comments = [comment.text for comment in read_script(text).comments]
    assert [comment.text for comment in read_script(done).comments] == comments


@bounded
@given(case=st.sampled_from(FIXED))
def test_line_ends_stay_what_they_were(case: Case) -> None:
    assert repair(case, case.script.replace("\n", "\r\n")).text == case.fixed.replace("\n", "\r\n")


@bounded
@given(case=st.sampled_from(FIXED))
def test_a_byte_order_mark_stays_in_front(case: Case) -> None:
    assert repair(case, "\ufeff" + case.script).text == "\ufeff" + case.fixed


@bounded
@given(case=st.sampled_from(PLAIN), comment=WORDS)
def test_comments_amid_a_statement_stay(case: Case, comment: str) -> None:
    marked = case.script.replace("TABLE ", f"TABLE /* {comment} */ ").replace(
        "INDEX ", f"INDEX/*{comment}*/ "
    )
    comments = [each.text for each in read_script(marked).comments]
    done = repair(case, marked).text
    assert [each.text for each in read_script(done).comments] == comments


@bounded
@given(case=st.sampled_from(PLAIN))
def test_a_script_without_its_last_semicolon_is_repaired_too(case: Case) -> None:
    cut = case.script.rstrip()
    if cut.endswith(";"):
        assert statements(repair(case, cut[:-1]).text) == statements(case.fixed)


def statements(text: str) -> list[tuple[Operation, ...]]:
    return [statement.operations for statement in read_script(text).statements]


@bounded
@given(case=st.sampled_from(REFUSED), before=COMMENTS.filter(is_text_for_us))
def test_what_cannot_be_repaired_is_not_touched(case: Case, before: str) -> None:
    text = before + case.script
    assert repair(case, text).text == text


@bounded
@given(first=st.sampled_from(FIXED), data=st.data())
def test_scripts_one_after_the_other_are_repaired_once_and_for_all(first: Case, data: st.DataObject) -> None:
    same = [case for case in FIXED if case.setup == first.setup and case.options == first.options]
    others = data.draw(st.lists(st.sampled_from(same), max_size=3))
    done = repair(first, "\n".join(case.script.rstrip("\n") for case in (first, *others)) + "\n").text
    assert repair(first, done).text == done


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a;'\"$-/*\n\\ ()", max_size=40))
def test_a_statement_ends_behind_it_whatever_the_text(text: str) -> None:
    script = read_script(text)
    for index, statement in enumerate(script.statements):
        try:
            end = semicolon_end(script, index)
        except NotAsExpected:
            continue
        assert statement.end <= end <= len(text)


def test_edits_of_one_place_keep_their_order() -> None:
    fix = make_fix("", [Edit(start=1, end=1, text="x"), Edit(start=1, end=1, text="y")])
    assert apply_edits("ab", fix.edits) == "axyb"
    with pytest.raises(ValueError, match="overlap"):
        make_fix("", [Edit(start=0, end=3, text=""), Edit(start=2, end=4, text="")])
