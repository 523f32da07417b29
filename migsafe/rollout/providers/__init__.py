"""Traffic providers, by the name a plan gives them. A new provider is one module and one line here."""

from collections.abc import Callable, Mapping

from migsafe.errors import UsageError
from migsafe.plan.model import Options, Traffic
from migsafe.rollout.options import did_you_mean
from migsafe.rollout.providers.base import Counters, Provider, Split, Statistics
from migsafe.rollout.providers.command import command_provider
from migsafe.rollout.providers.envoy import envoy_provider

PROVIDERS: Mapping[str, Callable[[Options], Provider]] = {
    "command": command_provider,
    "envoy": envoy_provider,
}


def provider_for(traffic: Traffic) -> Provider:
    """The provider that a plan asks for. Nothing is called yet.

    Raises:
        UsageError: There is none of this name, or its options cannot be used.
    """
    make = PROVIDERS.get(traffic.provider)
    if make is None:
        name = traffic.provider
        raise UsageError(f"unknown traffic provider '{name}'", advice=did_you_mean(name, PROVIDERS))
    return make(traffic.options)


__all__ = ["PROVIDERS", "Counters", "Provider", "Split", "Statistics", "provider_for"]
