"""The `[[webhooks]]` tables: who is told about a rollout. Secrets are in the environment, never here."""

from dataclasses import dataclass

from migsafe.config.values import Table

KEYS = ("url", "url_env", "secret_env", "events", "timeout", "insecure")
SECRET_VARIABLE = "MIGSAFE_WEBHOOK_SECRET"  # noqa: S105 -- the name of a variable
DEFAULT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """One receiver. `*_env` are names of variables. No `events`: those that a person wants to know of."""

    url: str = ""
    url_env: str = ""  # for a URL that is itself a secret
    secret_env: str = SECRET_VARIABLE
    events: tuple[str, ...] = ()
    timeout: float = DEFAULT_TIMEOUT  # seconds for one attempt
    insecure: bool = False  # http:// to another host
    place: str = "--webhook"  # where it is written, for messages


def read_webhook(table: Table) -> WebhookSettings:
    """One `[[webhooks]]` table.

    Raises:
        UsageError: Something in it is not known or not possible.
    """
    table.known(KEYS)
    url, url_env = table.text_of("url"), table.text_of("url_env")
    if bool(url) == bool(url_env):
        table.fail(None, f"either 'url' or 'url_env' is needed{table.name}")
    return WebhookSettings(
        url=url,
        url_env=url_env,
        secret_env=table.text_of("secret_env", SECRET_VARIABLE),
        events=table.texts("events"),
        timeout=table.seconds("timeout", DEFAULT_TIMEOUT),
        insecure=table.flag("insecure", default=False),
        place=f"{table.file}{table.name}",
    )
