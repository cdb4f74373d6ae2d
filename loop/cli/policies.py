"""Policies by the beginning of their ids, and what belongs to one."""

from pathlib import Path

from loop import parts
from loop.artifacts import cards, policy_files
from loop.cli.access import settings
from loop.cli.records import store
from loop.errors import ConfigError
from loop.runtime import paths
from loop.types import Policy


def find(begins: str) -> Policy:
    """Give the policy whose id begins so, or the champion.

    Raises:
        NotFound: none does, or several do.
    """
    with store() as opened:
        return opened.policies.find(begins)


def single(begins: str) -> Policy:
    """Give a policy that is one model: other programs know nothing of routed sets.

    Raises:
        NotFound: none begins so, or several do.
        ConfigError: it is a routed set; its members are named.
    """
    match = find(begins)
    if match.routing:
        members = ", ".join(member[:12] for member in match.members)
        raise ConfigError(f"{match.id[:12]} is a routed set, not one model. Name one of its members: {members}")
    return match


def base_of(policy: Policy) -> Path:
    """Give the directory of a policy's base model.

    Raises:
        ConfigError: the configured base model is another one.
    """
    return parts.base_model(settings(), paths.find()).fits(policy).path


def report_of(policy_id: str) -> cards.Report:
    """Collect what a policy's cards tell."""
    with store() as opened:
        policy = opened.policies.get(policy_id)
        return policy_files.report(opened, policy, settings().student.source, paths.find().adapter(policy))
