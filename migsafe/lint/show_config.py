"""The effective configuration as text and as JSON."""

import json
from collections.abc import Iterable, Mapping

from migsafe.lint.effective import Effective, RuleSetting, source_values

FORMAT_VERSION = 1


def config_as_text(found: Effective, *, verbose: bool = False) -> str:
    """TOML that says the same, with the place of every value in a comment."""
    about = f"for {found.path}" if found.path else "for all paths"
    head = f"# {found.file or 'No configuration file'}: what is in effect {about}."
    lines = [head, *_aligned((_line(each.key, each.value), each.source) for each in found.settings)]
    rules = [each for each in found.rules if verbose or not each.is_default]
    lines += ["", "[rules]"]
    lines += _aligned((f"{each.rule.name} = {_toml(each.level)}", each.source) for each in rules)
    if not verbose:
        lines.append(f"# {_others(found.rules)}")
    for source in found.sources:
        lines += ["", "[[sources]]"]
        lines += [f"{key} = {_toml(value)}" for key, value in source_values(source).items()]
    return "\n".join(lines) + "\n"


def config_as_json(found: Effective) -> str:
    """The same for programs; fields may be added within a format version."""
    document = {
        "format_version": FORMAT_VERSION,
        "file": found.file,
        "path": found.path,
        "settings": {each.key: {"value": each.value, "from": each.source} for each in found.settings},
        "rules": [
            {
                "rule": each.rule.name,
                "id": each.rule.id,
                "group": each.rule.family,
                "level": each.level,
                "from": each.source,
            }
            for each in found.rules
        ],
        "sources": [dict(source_values(source)) for source in found.sources],
    }
    return json.dumps(document, indent=2) + "\n"


def _others(rules: Iterable[RuleSetting]) -> str:
    others = [each for each in rules if each.is_default]
    off = sum(each.level == "off" for each in others)
    return f"{len(others)} rules are as always: {len(others) - off} on, {off} off. --verbose lists them."


def _aligned(lines: Iterable[tuple[str, str]]) -> list[str]:
    lines = list(lines)
    width = min(max((len(line) for line, _ in lines), default=0), 60)
    return [f"{line:<{width}}  # {source}" for line, source in lines]


def _line(key: str, value: object) -> str:
    return f"# {key} is not set" if value is None else f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case Mapping():
            return f"{{{', '.join(f'{_toml(key)} = {_toml(one)}' for key, one in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(_toml(one) for one in value)}]"
        case _:
            return json.dumps(str(value), ensure_ascii=False)
