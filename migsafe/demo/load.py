"""The traffic of the demo: several keep-alive connections that write, read, and check what they read.

Run as a module, so that it never competes with the rollout for Python's lock. It prints one line of JSON
about four times a second; on the line `stop` it finishes, prints the whole report with the names that it
wrote, and ends. It also ends with the process that started it.
"""

import argparse
import json
import random
import signal
import sys
import threading
import time

from migsafe.demo.client import Client, pause_until
from migsafe.demo.leash import follow_parent
from migsafe.demo.tally import Tally

REPORT_SECONDS = 0.25
LATE_SECONDS = 0.5  # who is later than this does not try to catch up


def keep_asking(client: Client, interval: float, stop: threading.Event) -> None:
    """One client's whole life: an action every `interval` seconds on average, until told to stop."""
    due = time.monotonic() + client.dice.random() * interval
    while not stop.is_set():
        pause_until(due, stop.wait)
        client.act()
        due = max(due + interval * client.dice.uniform(0.5, 1.5), time.monotonic() - LATE_SECONDS)
    client.close()


def main() -> None:
    """Run the load until `stop`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True, help="rows of the table, with ids from 1")
    parser.add_argument("--rate", type=float, default=300.0, help="actions per second, all clients together")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=20)
    chosen = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tour decides when its parts stop
    stop, tally = threading.Event(), Tally()
    follow_parent(lambda line: stop.set() if line == "stop" else None)
    clients = [
        Client(
            port=chosen.port,
            number=number,
            clients=chosen.clients,
            rows=chosen.rows,
            tally=tally,
            dice=random.Random(chosen.seed + number),  # noqa: S311 - not for secrets: the same mix every time
        )
        for number in range(chosen.clients)
    ]
    interval = chosen.clients / chosen.rate
    threads = [threading.Thread(target=keep_asking, args=(client, interval, stop)) for client in clients]
    for thread in threads:
        thread.start()
    while not stop.wait(REPORT_SECONDS):
        _say(tally.report(with_times=False).to_json())
    for thread in threads:
        thread.join()
    written = {row: last.name for client in clients for row, last in client.written.items()}
    _say({**tally.report(with_times=True).to_json(), "written": written})


def _say(data: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
