"""Path patterns mean what a reader of .gitignore expects."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migsafe.config.patterns import matches


@pytest.mark.parametrize(
    ("pattern", "path", "is_matched"),
    [
        ("services/billing/**", "services/billing/1.sql", True),
        ("services/billing/**", "services/billing/a/b/1.sql", True),
        ("services/billing/**", "services/billings/1.sql", False),
        ("services/billing", "services/billing/a/1.sql", True),
        ("services/billing/", "services/billing/a/1.sql", True),
        ("services/billing", "other/services/billing/1.sql", False),
        ("./db/*.sql", "db/1.sql", True),
        ("db/*.sql", "./db/1.sql", True),
        ("db/*.sql", "db/old/1.sql", False),
        ("**/vendor/**", "vendor/1.sql", True),
        ("**/vendor/**", "a/b/vendor/c/1.sql", True),
        ("**/vendor/**", "a/vendored/1.sql", False),
        ("*.down.sql", "a/b/1.down.sql", True),
        ("vendor", "a/vendor/1.sql", True),
        ("vendor", "a/vendor.sql", False),
        ("db/**/seed.sql", "db/seed.sql", True),
        ("db/**/seed.sql", "db/a/b/seed.sql", True),
        ("db/?.sql", "db/1.sql", True),
        ("db/?.sql", "db/10.sql", False),
        ("db/[0-9]_*.sql", "db/3_x.sql", True),
        ("db/[!0-9]*.sql", "db/3_x.sql", False),
        ("db/[!0-9]*.sql", "db/x.sql", True),
        ("db/[.sql", "db/[.sql", True),
        ("db/(a|b)+.sql", "db/(a|b)+.sql", True),
        ("db/(a|b)+.sql", "db/a.sql", False),
        ("**", "a/b.sql", True),
        ("db/[z-a].sql", "db/b.sql", False),
        ("db/[[&&].sql", "db/&.sql", True),
    ],
)
def test_a_pattern_matches_what_it_says(pattern: str, path: str, *, is_matched: bool) -> None:
    assert matches(path, pattern) is is_matched


@example("[[[-?-?]", "")
@given(st.text(alphabet="ab/*?[]!.\\^-(", max_size=12), st.text(alphabet="ab/.", max_size=12))
def test_any_text_is_a_pattern(pattern: str, path: str) -> None:
    assert matches(path, pattern) in {True, False}
