"""Where the documentation of a rule is."""

PAGES = "https://github.com/migsafe/migsafe/blob/main/docs/rules"


def rule_page(name: str) -> str:
    """The address of a rule's page."""
    return f"{PAGES}/{name}.md"
