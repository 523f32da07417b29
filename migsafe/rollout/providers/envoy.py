"""Envoy: weighted clusters, moved through the runtime layer of its admin interface.

A route needs `weighted_clusters` with a `runtime_key_prefix`, and the bootstrap a `layered_runtime`
with an `admin_layer`. The weights live in memory: a restarted Envoy is back at its configured weights.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/traffic_splitting
https://www.envoyproxy.io/docs/envoy/latest/operations/admin
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from migsafe.errors import TrafficError
from migsafe.plan.model import Options
from migsafe.rollout.options import did_you_mean, typed_options
from migsafe.rollout.providers.base import (
    Counters,
    Provider,
    Split,
    Statistics,
    require_settable,
    require_timeout,
    wait_until_read,
)
from migsafe.run.http import ask, checked_url

_CONFIRM_EVERY_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyOptions:
    """Where the admin interface is, and what the route's weights are called."""

    runtime_prefix: str
    blue_cluster: str = "blue"
    green_cluster: str = "green"
    admin_url: str = "http://127.0.0.1:9901"
    timeout_seconds: float = 5.0

    def __post_init__(self) -> None:
        checked_url(self.admin_url, where="traffic provider 'envoy': option 'admin_url'")
        if self.blue_cluster == self.green_cluster:
            raise ValueError("blue_cluster and green_cluster are the same")
        require_timeout(self.timeout_seconds)


def envoy_provider(options: Options) -> Provider:
    """The provider for these options; UsageError when they cannot be used."""
    return EnvoyProvider(typed_options(EnvoyOptions, options, where="traffic provider 'envoy'"))


class EnvoyProvider:
    """See `Provider`."""

    def __init__(self, options: EnvoyOptions) -> None:
        self._options = options

    def read(self) -> Split:
        """The weights of the runtime, or those of the route where the runtime says nothing yet."""
        blue, green = self._runtime_weights() or self._configured_weights()
        if blue + green == 0:
            raise TrafficError(f"Envoy at {self._options.admin_url}: both weights are 0")
        return Split(green_percent=round(100 * green / (blue + green)), token=f"{blue}:{green}")

    def set(self, green_percent: int, token: str | None) -> None:
        """Both weights in one call: they can never both be 0."""
        require_settable(self, green_percent, token)
        weights = {self._blue_key: 100 - green_percent, self._green_key: green_percent}
        text = self._ask("POST", f"/runtime_modify?{urlencode(weights)}").strip()
        if text != "OK":
            raise TrafficError(f"Envoy did not take the weights: {text[:200]}")

    def verify(self, green_percent: int, *, timeout_seconds: float) -> None:
        """The runtime is read back; Envoy's workers use it for the next request."""
        wait_until_read(
            self, green_percent, timeout_seconds=timeout_seconds, every_seconds=_CONFIRM_EVERY_SECONDS
        )

    def statistics(self) -> Statistics:
        """The counters of both clusters, read in one call."""
        names = "|".join(
            re.escape(name) for name in (self._options.blue_cluster, self._options.green_cluster)
        )
        pattern = rf"^cluster\.({names})\.upstream_rq_(completed|5xx|time)$"
        query = urlencode({"format": "json", "histogram_buckets": "cumulative", "filter": pattern})
        stats = _json(self._ask("GET", f"/stats?{query}"))
        values = _flat_stats(stats)
        return Statistics(
            blue=self._counters(values, self._options.blue_cluster),
            green=self._counters(values, self._options.green_cluster),
        )

    def _counters(self, values: Mapping[str, object], cluster: str) -> Counters:
        prefix = f"cluster.{cluster}.upstream_rq_"
        completed = values.get(f"{prefix}completed", 0)
        failures = values.get(f"{prefix}5xx", 0)  # Envoy makes this counter with the first failure
        latency = values.get(f"{prefix}time", {})
        if not (isinstance(completed, int) and isinstance(failures, int) and isinstance(latency, dict)):
            raise TrafficError(f"Envoy's statistics of cluster '{cluster}' cannot be read")
        return Counters(requests=completed, failures=failures, latency_ms=latency)

    @property
    def _blue_key(self) -> str:
        return f"{self._options.runtime_prefix}.{self._options.blue_cluster}"

    @property
    def _green_key(self) -> str:
        return f"{self._options.runtime_prefix}.{self._options.green_cluster}"

    def _runtime_weights(self) -> tuple[int, int] | None:
        entries = _member(_json(self._ask("GET", "/runtime?format=json")), "entries")
        found = [_member(entries, key) for key in (self._blue_key, self._green_key)]
        if not all(found):
            return None
        try:
            blue, green = (int(str(entry["final_value"])) for entry in found)
        except (KeyError, ValueError) as error:
            raise TrafficError(f"Envoy's runtime holds weights that are no numbers: {found}") from error
        return blue, green

    def _configured_weights(self) -> tuple[int, int]:
        prefix = self._options.runtime_prefix
        splits = list(_weighted_clusters(_json(self._ask("GET", "/config_dump"))))
        mine = [split for split in splits if split.get("runtime_key_prefix") == prefix]
        if not mine:
            known = {str(split.get("runtime_key_prefix")) for split in splits}
            raise TrafficError(
                f"Envoy has no route with weighted_clusters and runtime_key_prefix '{prefix}'",
                advice=did_you_mean(prefix, known) if known else "add one: docs/traffic.md shows it",
            )
        weights = _weights(mine[0])
        for name in (self._options.blue_cluster, self._options.green_cluster):
            if name not in weights:
                raise TrafficError(
                    f"the route '{prefix}' of Envoy has no cluster '{name}'",
                    advice=did_you_mean(name, weights),
                )
        return weights[self._options.blue_cluster], weights[self._options.green_cluster]

    def _ask(self, method: str, path: str) -> str:
        url = self._options.admin_url.rstrip("/") + quote(path, safe="/?&=%+")
        answer = ask(method, url, timeout_seconds=self._options.timeout_seconds)
        if answer.status != 200:
            place = path.partition("?")[0]
            text = answer.text.strip()[:200]
            raise TrafficError(f"Envoy answered {method} {place} with status {answer.status}: {text}")
        return answer.text


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise TrafficError(f"Envoy's answer is not JSON: {text.strip()[:200]!r}") from error


def _member(value: object, key: str) -> Mapping[str, object]:
    member = value.get(key) if isinstance(value, dict) else None
    return member if isinstance(member, dict) else {}


def _flat_stats(document: object) -> Mapping[str, object]:
    """Counters by name, and histograms by name as upper bound -> count."""
    stats = document.get("stats") if isinstance(document, dict) else None
    if not isinstance(stats, list):
        raise TrafficError("Envoy's statistics have no list of stats")
    values: dict[str, object] = {}
    try:
        for entry in stats:
            if "name" in entry:
                values[entry["name"]] = entry["value"]
            for histogram in entry.get("histograms", ()):
                buckets = {
                    float(part["upper_bound"]): int(part["cumulative"]) for part in histogram["buckets"]
                }
                values[histogram["name"]] = buckets
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TrafficError(f"Envoy's statistics cannot be read: {error!r}") from error
    return values


def _weighted_clusters(node: object) -> Iterator[Mapping[str, object]]:
    """Every object of the configuration that splits by weight."""
    if isinstance(node, dict):
        if "clusters" in node and "runtime_key_prefix" in node:
            yield node
        for child in node.values():
            yield from _weighted_clusters(child)
    elif isinstance(node, list):
        for child in node:
            yield from _weighted_clusters(child)


def _weights(split: Mapping[str, object]) -> dict[str, int]:
    clusters = split.get("clusters")
    if not isinstance(clusters, list):
        return {}
    # Envoy leaves a weight of 0 out of its dump.
    return {str(part.get("name")): int(part.get("weight", 0)) for part in clusters if isinstance(part, dict)}
