"""Credentials: a trace that holds one is refused, because a model that learned it could say it.

What a credential looks like is taken from detect-secrets: keys and tokens whose form alone tells what they are. Its
guesses by entropy and by the words around are not used: on tool calls they are wrong more often than right.
"""

import re
from functools import cache
from typing import Any, Final

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from loop.traces.privacy.strings import strings_of
from loop.traces.trace import Trace

DETECTORS: Final = (
    ArtifactoryDetector,
    AWSKeyDetector,
    DiscordBotTokenDetector,
    GitHubTokenDetector,
    GitLabTokenDetector,
    JwtTokenDetector,
    MailchimpDetector,
    NpmDetector,
    OpenAIDetector,
    PrivateKeyDetector,
    PypiTokenDetector,
    SendGridDetector,
    SlackDetector,
    SquareOAuthDetector,
    StripeDetector,
    TelegramBotTokenDetector,
    TwilioKeyDetector,
)
KEY: Final = re.compile(r"\b(?:sk-[A-Za-z0-9_-]{20,}|sk-ant-[\w-]{20,}|AIza[\w-]{35}|hf_[A-Za-z]{30,}|xai-[\w-]{40,})")
"""Keys of model providers in forms that the library does not know."""
LONG: Final = re.compile(r"-----BEGIN[A-Z ]*|[\w+/=.:-]{18,}")
"""What every credential has: a long run without a space."""


@cache
def _detectors() -> tuple[Any, ...]:
    return tuple(detector() for detector in DETECTORS)


def secret_in(trace: Trace) -> str | None:
    """Name the kind of the first credential in a trace; the credential itself is never told."""
    for field in strings_of(trace):
        if LONG.search(field.text) and (kind := _kind(field.text)):
            return kind
    return None


def _kind(text: str) -> str | None:
    if KEY.search(text):
        return "a model provider's key"
    runs = "\n".join(dict.fromkeys(match.group() for match in LONG.finditer(text)))
    for detector in _detectors():
        if next(iter(detector.analyze_string(runs)), None):
            return str(detector.secret_type)
    return None
