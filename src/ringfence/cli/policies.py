"""`ringfence policies`: which policies there are, and changing them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from ringfence import Client, EventKind, Measure, Policy, Rule
from ringfence.cli.completion import complete_policy
from ringfence.cli.options import Failed, client_options, json_option
from ringfence.cli.output import print_facts, print_json, print_rows
from ringfence.cli.setting_put import Put, PutOptions
from ringfence.cli.setting_toml import policy_toml
from ringfence.cli.settings import (
    SettingsGroup,
    print_deleted,
    put_options,
    read_setting,
    toml_option,
)
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
@click.argument("name", shell_complete=complete_policy)
@toml_option
@json_option
@client_options
def show(name: str, as_toml: bool, as_json: bool, client: Client) -> None:
    """Show one policy."""
    policy = _find(client, name)
    if policy is None:
        raise Failed(f"no such policy: {name}")
    if as_json:
        print_json(policy)
    elif as_toml:
        click.echo(policy_toml(policy).text, nl=False)
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
def put(file: Path, client: Client, **options: Any) -> None:
    """Create or replace the policy of a TOML file.

    The file has one [[policy]], written as in the server's configuration
    (`ringfence serve --print-config`); `policies show NAME --toml` gives one to begin from. The
    difference is shown, and a file that leaves out what is set is put only if you say so.
    Verdicts follow at once.
    """
    table = read_setting(load_policy, file)
    wanted, how = _to_send(table.policy()), PutOptions(**options)
    present = _find(client, wanted.name)
    Put(file, wanted, table.model_fields_set, present, policy_toml).carry_out(
        how, lambda sent: client.put_policy(sent, validate_only=how.dry_run)
    )


@policies.command()
@click.argument("name", shell_complete=complete_policy)
@json_option
@client_options
def delete(name: str, as_json: bool, client: Client) -> None:
    """Delete a policy that no pool uses."""
    client.delete_policy(name)
    print_deleted("policy", name, as_json=as_json)


def _find(client: Client, name: str) -> Policy | None:
    return next((policy for policy in client.list_policies() if policy.name == name), None)


def _to_send(policy: settings.Policy) -> Policy:
    """The policy of a file as the client takes it."""
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
    )


def _rule(rule: Rule) -> str:
    text = rule_text(rule.measure, rule.kinds)
    return f"at most {rule.limit} {text} in {_text(rule.window)}"


def _text(duration: timedelta | None) -> str:
    return "-" if duration is None else format_duration(int(duration.total_seconds()))
