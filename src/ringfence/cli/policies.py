"""`ringfence policies`: which policies there are, and changing them."""

import json
from datetime import timedelta
from pathlib import Path

import click

from ringfence import Client, EventKind, Measure, Policy, Rule
from ringfence.cli.options import Failed, client_options, json_option
from ringfence.cli.output import print_facts, print_json, print_rows
from ringfence.cli.settings import SettingsGroup, print_stored, put_options, read_setting
from ringfence.engine.settings import policy as settings
from ringfence.server.config.config import load_policy
from ringfence.server.config.duration import format_duration
from ringfence.wording.words import rule_text


@click.group(cls=SettingsGroup)
def policies() -> None:
    """List, show, change or delete policies.

    Without a command it lists them.
    """


@policies.command(name="list")
@json_option
@client_options
def list_(as_json: bool, client: Client) -> None:
    """List the policies."""
    found = list(client.list_policies())
    if as_json:
        for policy in found:
            print_json(policy)
        return
    rows = []
    for policy in found:
        name, ages = policy.name, (_text(policy.minimum_age), _text(policy.maximum_age))
        more = (_text(policy.quiet_period), f"{policy.minimum_coverage:.4g}")
        for rule in policy.rules:
            rows.append((name, *ages, *more, _rule(rule)))
            name, ages, more = "", ("", ""), ("", "")  # said once, beside the first rule
    print_rows(("POLICY", "MINIMUM AGE", "MAXIMUM AGE", "QUIET PERIOD", "COVERAGE", "RULES"), rows)


@policies.command()
@click.argument("name")
@click.option("--toml", "as_toml", is_flag=True, help="In the form that `policies put` reads.")
@json_option
@client_options
def show(name: str, as_toml: bool, as_json: bool, client: Client) -> None:
    """Show one policy."""
    for policy in client.list_policies():
        if policy.name == name:
            break
    else:
        raise Failed(f"no such policy: {name}")
    if as_json:
        print_json(policy)
    elif as_toml:
        click.echo(_toml(policy), nl=False)
    else:
        print_facts(
            {
                "policy": policy.name,
                "description": policy.description or "-",
                "minimum age": _text(policy.minimum_age),
                "maximum age": _text(policy.maximum_age),
                "quiet period": _text(policy.quiet_period),
                "minimum coverage": f"{policy.minimum_coverage:.4g}",
                **{f"rule {n}": _rule(rule) for n, rule in enumerate(policy.rules, 1)},
                "revision": str(policy.revision),
            }
        )


@policies.command()
@put_options
@client_options
def put(file: Path, revision: int, dry_run: bool, client: Client) -> None:
    """Create or replace the policy of a TOML file.

    The file has one [[policy]], written as in the server's configuration
    (`ringfence serve --print-config`). Verdicts follow at once.
    """
    wanted = _to_send(read_setting(load_policy, file), revision)
    stored = client.put_policy(wanted, validate_only=dry_run)
    print_stored("policy", stored, dry_run)


@policies.command()
@click.argument("name")
@client_options
def delete(name: str, client: Client) -> None:
    """Delete a policy that no pool uses."""
    client.delete_policy(name)
    click.echo(f"policy {name}: deleted")


def _to_send(policy: settings.Policy, revision: int) -> Policy:
    """The policy of a file as the client takes it, in place of that revision."""
    return Policy(
        name=policy.name,
        rules=tuple(
            Rule(
                Measure(rule.measure),
                timedelta(seconds=rule.window_s),
                rule.limit,
                tuple(EventKind(kind) for kind in sorted(rule.kinds)),
            )
            for rule in policy.rules
        ),
        minimum_age=timedelta(seconds=policy.minimum_age_s),
        maximum_age=(
            None if policy.maximum_age_s is None else timedelta(seconds=policy.maximum_age_s)
        ),
        quiet_period=timedelta(seconds=policy.quiet_period_s),
        minimum_coverage=policy.minimum_coverage,
        description=policy.description,
        revision=revision,
    )


def _toml(policy: Policy) -> str:
    """The policy as a file: JSON's numbers and arrays are TOML's too."""
    lines = [
        "[[policy]]",
        f"name = {_string(policy.name)}",
        f"description = {_string(policy.description)}",
        f'minimum_age = "{_text(policy.minimum_age)}"',
    ]
    if policy.maximum_age is not None:
        lines.append(f'maximum_age = "{_text(policy.maximum_age)}"')
    lines += [
        f'quiet_period = "{_text(policy.quiet_period)}"',
        f"minimum_coverage = {policy.minimum_coverage}",
    ]
    for rule in policy.rules:
        lines += ["", "[[policy.rule]]", f'measure = "{rule.measure.name}"']
        if rule.kinds:
            lines.append(f"kinds = {json.dumps([kind.name for kind in rule.kinds])}")
        lines += [f'window = "{_text(rule.window)}"', f"limit = {rule.limit}"]
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    """JSON's is TOML's too, but for one control character that JSON lets pass."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _rule(rule: Rule) -> str:
    text = rule_text(rule.measure, rule.kinds)
    return f"at most {rule.limit} {text} in {_text(rule.window)}"


def _text(duration: timedelta | None) -> str:
    return "-" if duration is None else format_duration(int(duration.total_seconds()))
