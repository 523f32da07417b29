"""The connection breaks in the middle of a message, or goes silent: nobody answers and nobody closes it."""

import time
from collections.abc import Iterator

import pytest
from psycopg import conninfo

from migsafe.errors import MigsafeError
from migsafe.plan.stages import Stage
from tests.run.faults.trial import Trial, batch
from tests.run.losing import lost_lines
from tests.run.relay import Cut, Relay

# What the URL says about a silent network counts more than our own, which is a minute.
SOON = {
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "2000",
}


@pytest.fixture
def relay(trial: Trial) -> Iterator[Relay]:
    parts = conninfo.conninfo_to_dict(trial.dsn)
    made = Relay((str(parts["host"]), int(str(parts["port"]))))
    yield made
    made.close()


def through(relay: Relay, trial: Trial, **parameters: str) -> str:
    return conninfo.make_conninfo(trial.dsn, port=relay.port, **parameters)


@pytest.mark.parametrize("cut", ["before", "after", "half"])
def test_a_batch_whose_connection_is_cut_at_its_commit_happens_once(
    trial: Trial, relay: Relay, cut: Cut
) -> None:
    trial.run(when=batch(3), do=lambda: relay.arm(cut, commits=1), dsn=through(relay, trial))
    assert relay.cuts == 1
    trial.require_verified()


@pytest.mark.proof
@pytest.mark.parametrize("cut", ["silent", "silent after"])
def test_a_network_that_swallows_everything_is_noticed_and_the_batch_happens_once(
    trial: Trial, relay: Relay, cut: Cut
) -> None:
    began = time.monotonic()
    trial.run(when=batch(3), do=lambda: relay.arm(cut, commits=1), dsn=through(relay, trial, **SOON))
    assert relay.cuts == 1
    assert 2 < time.monotonic() - began < 30
    trial.require_verified()


def test_what_was_sent_into_silence_is_given_up(trial: Trial, relay: Relay) -> None:
    """All connections of the run at once, the one that beats for the lease too."""
    trial.run(when=batch(3), do=relay.silence, dsn=through(relay, trial, **SOON))
    trial.require_verified()
    assert lost_lines(trial.dsn, "trial") == 1


@pytest.mark.proof
def test_without_a_word_in_the_url_silence_is_noticed_after_about_a_minute(
    trial: Trial, relay: Relay
) -> None:
    began = time.monotonic()
    trial.run(when=batch(3), do=relay.silence, dsn=through(relay, trial))
    assert 40 < time.monotonic() - began < 100
    trial.require_verified()


@pytest.mark.proof
@pytest.mark.parametrize("cut", ["before", "after", "half"])
def test_a_cut_at_any_commit_of_a_rollout_ends_where_an_undisturbed_one_does(
    trial: Trial, relay: Relay, cut: Cut
) -> None:
    """One cut in every so many commits, of the work and of the ledger alike."""
    dsn = through(relay, trial)
    said: list[str] = []
    relay.arm(cut, commits=5, every=10)
    for stage in (Stage.VERIFIED, Stage.DROPPED):
        for _ in range(60):
            try:
                trial.run(stage, dsn=dsn)
            except MigsafeError as error:  # while it begins, or in DDL, which is not sent a second time
                said.append(error.advice)
            else:
                break
        if stage is Stage.VERIFIED:
            trial.require_verified()
    assert relay.cuts >= 5
    assert all("un the same command again" in advice or "run this again" in advice for advice in said)
    trial.require_contracted()
