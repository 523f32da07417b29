"""Limits as people write them, and the table of the file that holds them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.config.limits import SETTINGS, Limit, Setting, Unit, find_setting, parse_limit, show_limit
from migsafe.config.pace import SIGNAL_KEYS, Given, PaceSettings
from migsafe.config.read import load_config
from migsafe.errors import UsageError


@pytest.mark.parametrize(
    ("name", "text", "soft", "hard"),
    [
        ("replica-lag", "10s", 5, 10),
        ("replica-lag", "500ms..2s", 0.5, 2),
        ("replica-lag", " 1 min .. 0.5h ", 60, 1800),
        ("replica-lag", "0..3", 0, 3),
        ("slot-wal", "10GB", 5 * 2**30, 10 * 2**30),
        ("slot-wal", "512MB..1tb", 2**29, 2**40),
        ("wal-rate", "20MB/s..50MB/s", 20 * 2**20, 50 * 2**20),
        ("wal-rate", "50MB", 25 * 2**20, 50 * 2**20),
        ("vacuum", "0..2", 0, 2),
        ("lock-waiters", "5..5", 5, 5),
        ("max-rows-per-second", "5000", 5000, 5000),
        ("batch-duration", "100ms", 0.1, 0.1),
    ],
)
def test_a_limit_is_read_as_it_is_written(name: str, text: str, soft: float, hard: float) -> None:
    assert parse_limit(find_setting(name), text) == Limit(soft=soft, hard=hard)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("replica-lag", text) for text in ("", "fast", "10 parsecs", "-1s", "10s..5s", "..", "5s..")),
        ("replica-lag", "0"),
        ("replica-lag", "1" + "0" * 400),
        ("slot-wal", "10s"),
        ("vacuum", "2MB"),
        ("max-rows-per-second", "10..20"),
        ("max-rows-per-second", "0"),
        ("batch-duration", "off"),
    ],
)
def test_what_is_no_limit_is_refused_with_an_example(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' cannot be") as refused:
        parse_limit(find_setting(name), text)
    assert "Give a " in refused.value.advice


def test_a_typo_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="'replica_lags' cannot be set; did you mean 'replica-lag'"):
        find_setting("replica_lags")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_default_is_written_as_it_is_shown(setting: Setting) -> None:
    assert show_limit(setting, parse_limit(setting, setting.default)) == setting.default


@given(
    st.sampled_from([each for each in SETTINGS if each.is_signal]),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
)
def test_what_is_shown_reads_as_nearly_the_same(setting: Setting, low: int, more: int) -> None:
    limit = Limit(soft=low, hard=low + more)
    again = parse_limit(setting, show_limit(setting, limit))
    assert again is not None
    assert again.hard == pytest.approx(limit.hard, rel=1e-3)
    if setting.unit in (Unit.COUNT, Unit.SECONDS):
        assert again == limit


FILE = """
[run.pace]
replica-lag = "2s..5s"
lock-waiters = 8
wal-rate = "off"
queue = "1..3"
ignored-replicas = ["delayed"]

[[run.pace.signals]]
name = "queue"
kind = "sql"
query = "SELECT count(*) FROM jobs"
limit = "10..20"

[[run.pace.signals]]
name = "freno"
kind = "http"
url = "http://freno.internal/check/migsafe"
unreadable = "skip"
"""


def pace(folder: Path, text: str) -> PaceSettings:
    (folder / "migsafe.toml").write_text(text)
    found = load_config(current=folder).pace
    assert found is not None
    return found


def test_the_file_gives_limits_with_their_place_and_signals(tmp_path: Path) -> None:
    found = pace(tmp_path, FILE)
    assert Given(name="replica-lag", value="2s..5s", source="migsafe.toml:3") in found.given
    assert [(given.name, given.value) for given in found.given] == [
        ("replica-lag", "2s..5s"),
        ("lock-waiters", "8"),
        ("wal-rate", "off"),
        ("queue", "1..3"),
    ]
    assert [(signal.name, signal.kind, signal.unreadable) for signal in found.custom] == [
        ("queue", "sql", "hold"),
        ("freno", "http", "skip"),
    ]
    assert found.ignored_replicas == ("delayed",)


SIGNAL = "[[run.pace.signals]]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run]\npaec = 1", "'paec' in 'run'; did you mean 'pace'"),
        ('[run.pace]\nreplica-lga = "1s"', "did you mean 'replica-lag'"),
        ('[run.pace]\nreplica-lag = "soon"', "migsafe.toml:2: 'replica-lag' cannot be 'soon'"),
        ("[run.pace]\nreplica-lag = true", "'replica-lag' in 'pace' is a text"),
        (SIGNAL + 'name = "x"', "'kind' is missing"),
        (SIGNAL + 'name = "x"\nkind = "sqll"', "did you mean 'sql'"),
        (SIGNAL + 'name = "My Signal"\nkind = "http"', "lower case words with dashes"),
        (SIGNAL + 'name = "x"\nkind = "sql"', "'query' is missing"),
        (SIGNAL + 'name = "x"\nkind = "sql"\nquery = "SELECT 1"', "'limit' is missing"),
        (SIGNAL + 'name = "x"\nkind = "sql"\nquery = "SELECT 1"\nlimit = "x"', "cannot be 'x'"),
        (SIGNAL + 'name = "x"\nkind = "http"', "either 'url' or 'url_env' is needed"),
        (SIGNAL + 'name = "vacuum"\nkind = "http"\nurl = "http://x"', "more than one signal named 'vacuum'"),
        (SIGNAL + 'name = "x"\nkind = "http"\nurl = "http://x"\npassword = "p"', "unknown key 'password'"),
    ],
)
def test_a_mistake_in_the_file_is_an_error_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        pace(tmp_path, text)
    assert message in refused.value.message
    assert refused.value.message.startswith("migsafe.toml")


def test_options_count_more_than_the_file_and_are_checked(tmp_path: Path) -> None:
    found = pace(tmp_path, FILE).with_options(("replica-lag=20s", "queue=off"))
    assert found.given[-2:] == (
        Given(name="replica-lag", value="20s", source="--limit"),
        Given(name="queue", value="off", source="--limit"),
    )
    for wrong in ("replica-lag", "replica-lag=", "replica-lga=1s"):
        with pytest.raises(UsageError):
            found.with_options((wrong,))


def test_the_documentation_has_every_limit_with_its_default_and_a_valid_example(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^ ]+) \|", page, re.MULTILINE)
    assert rows == [(setting.name, setting.default) for setting in SETTINGS]
    (example,) = re.findall(r"```toml\n(\[run\.pace\].*?)```", page, re.DOTALL)
    assert [signal.name for signal in pace(tmp_path, example).custom] == [
        "job-queue",
        "checkout-latency",
        "throttler",
    ]
    for key in SIGNAL_KEYS:
        assert f"{key} =" in example or f"`{key}`" in page, key
