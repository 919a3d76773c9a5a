"""Asking a language model: one chat completion through the OpenAI SDK, and every way in which that can fail."""

from __future__ import annotations

import asyncio
import email.utils
import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, ConfigDict, ValidationError

from medner.exceptions import InputError

ATTEMPTS = 6  # of one request, the first included
FIRST_WAIT = 0.5  # seconds before the second attempt; doubled each time
LONGEST_WAIT = 120.0  # seconds; for a server that asks for more, nobody sits and waits
# Given up waiting, by the server or a gateway before it: the model may have answered all the same.
_PERHAPS_ANSWERED = (408, 502, 504, 520, 522, 524)
# What the SDK's transport calls a failure before the request was sent, so that there is nothing to bill.
_UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "LocalProtocolError", "UnsupportedProtocol")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|too many tokens|(prompt|input) is too long|tokens is too large", re.I
)
_SHOWN = 200  # characters of a server's message


class Sentences(BaseModel):
    """What the model is to answer: marked sentences. Its JSON schema goes with every request."""

    model_config = ConfigDict(extra="forbid")

    sentences: list[str]


@dataclass(frozen=True)
class Reply:
    """An answer as it came, whatever it is worth. ``tokens``: of input and output, None where the server is silent."""

    content: str
    refusal: str
    finish: str
    tokens: tuple[int, int] | None


class Fault(Exception):
    """An attempt that gave no answer. ``paid``: it may have been answered, and billed, all the same.

    final: this very request will never be answered; detail: what the server says of it. wait: seconds that the server
    asks for. stop: why no request will be taken.
    """

    def __init__(
        self,
        reason: str,
        *,
        paid: bool = False,
        final: bool = False,
        detail: str = "",
        wait: float | None = None,
        stop: InputError | None = None,
    ) -> None:
        self.reason, self.paid, self.final, self.detail = reason, paid, final, detail
        self.wait, self.stop = wait, stop
        super().__init__(reason)


class Unusable(ValueError):
    """An answer that holds no sentences: ``reason`` to count, ``detail`` of it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


def read_sentences(*, content: str, refusal: str, finish: str) -> list[str]:
    """The sentences of an answer. Raises Unusable: refused, truncated, no JSON, or not of the schema."""
    if refusal or finish == "content_filter":
        raise Unusable("refused", refusal)
    if finish == "length":
        raise Unusable("truncated", "stopped at the limit of tokens")
    try:
        sentences = Sentences.model_validate_json(content).sentences
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Unusable("no JSON" if first["type"] == "json_invalid" else "schema", first["msg"]) from None
    if not sentences:
        raise Unusable("schema", "no sentence")
    return sentences


def request_body(
    model: str, messages: tuple[str, str], *, max_tokens: int, temperature: float | None, seed: int
) -> dict[str, Any]:
    """The body of a chat completion: system and user message, and the schema of :class:`Sentences`."""
    schema = {"name": "sentences", "strict": True, "schema": Sentences.model_json_schema()}
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": messages[0]}, {"role": "user", "content": messages[1]}],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "max_completion_tokens": max_tokens,
        "seed": seed,
    }
    return body if temperature is None else body | {"temperature": temperature}


def reply_of(completion: ChatCompletion) -> Reply:
    """What counts of a completion. Raises Fault for something that is none."""
    # The SDK builds its models without checking them, so that anything may be missing or of another type.
    try:
        choice = completion.choices[0]
        content, refusal, finish = choice.message.content, choice.message.refusal, choice.finish_reason
    except (AttributeError, IndexError, KeyError, TypeError):
        raise Fault("no chat completion", paid=True) from None
    try:
        tokens = (max(0, int(completion.usage.prompt_tokens)), max(0, int(completion.usage.completion_tokens)))  # type: ignore[union-attr]
    except (AttributeError, TypeError, ValueError):
        tokens = None
    return Reply(content=_valid(content), refusal=_valid(refusal), finish=_valid(finish), tokens=tokens)


def _valid(text: object) -> str:
    """Text that can be written as UTF-8: JSON may hold half of a surrogate pair, which becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", text) if isinstance(text, str) else ""


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds that the server asks to wait (Retry-After as a number or a date), if it does."""
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())


def _verdict(error: openai.APIStatusError) -> str:
    """What is wrong with the text of a request; empty where it is not the text that the server refuses."""
    if error.code in ("content_filter", "content_policy_violation"):
        return "refused"
    too_long = error.status_code == 413 or (error.status_code in (400, 422) and _TOO_LONG.search(error.message))
    return "too long" if too_long else ""


def access(base_url: str) -> tuple[str, str]:
    """The key (``OPENAI_API_KEY``) and the server's address (empty: OpenAI's).

    Raises InputError where either could not be sent at all.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        remedy = "Set it in the environment; for a server that asks for none, to any text"
        raise InputError("OPENAI_API_KEY is not set", remedy=remedy)
    if not (key.isascii() and key.isprintable()):
        raise InputError("OPENAI_API_KEY holds a character that no key has", remedy="Copy the key anew")
    url = (base_url or os.environ.get("OPENAI_BASE_URL", "")).strip()
    try:
        parts = urlsplit(url)
        sound = not url or (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
        sound = sound and not re.search(r"\s", url)
    except ValueError:
        sound = False
    if not sound:
        raise InputError(f"{url!r} is no server's address", remedy="Give one such as http://127.0.0.1:8000/v1")
    return key, url


class Client:
    """An OpenAI-compatible server.

    base_url: its address; empty: OpenAI's. timeout: seconds for one attempt. The key comes from ``OPENAI_API_KEY`` and
    goes nowhere but to the server. Raises InputError where key or address cannot be right.
    """

    def __init__(self, base_url: str = "", *, timeout: float) -> None:
        self._key, url = access(base_url)
        self._quiet_until = 0.0  # the loop's clock; a server that asks to be left alone means all requests
        # Retries are counted here and not in the SDK, since an attempt that was cut off may have to be paid for.
        self.sdk = openai.AsyncOpenAI(api_key=self._key, base_url=url or None, timeout=timeout, max_retries=0)

    def shown(self, message: object) -> str:
        """A server's message, fit to be shown: one line of plain characters, short, without the key."""
        text = " ".join(str(message).replace(self._key, "***").split())
        return "".join(c for c in text if c.isprintable())[:_SHOWN].rstrip(" .")

    def refuse(self, error: openai.APIError) -> InputError:
        """The message for a request that the server will never take."""
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return InputError("the server refuses the key or its rights", remedy="Check OPENAI_API_KEY and --base-url")
        remedy = "Check --model, --base-url and your account"
        status = getattr(error, "status_code", "no status")
        return InputError(f"the server refuses the request ({status}: {self.shown(error.message)})", remedy=remedy)

    async def ask(
        self, body: dict[str, Any], begin: Callable[[], None], failed: Callable[[Fault], Awaitable[bool]]
    ) -> Reply:
        """One answer, after up to ``ATTEMPTS`` attempts.

        ``begin`` is called before every attempt; ``failed`` after every failed one: it says whether another may be
        paid for. Raises Fault when all attempts failed, InputError for a request that will never be taken (key, model,
        quota) and for a server that is out for longer than ``LONGEST_WAIT``.
        """
        clock = asyncio.get_running_loop().time
        for attempt in range(ATTEMPTS):
            while (wait := self._quiet_until - clock()) > 0:
                await asyncio.sleep(wait)
            try:
                begin()
                return await self._attempt(body)
            except Fault as fault:
                affordable = await failed(fault)
                if fault.stop:
                    raise fault.stop from None
                if not affordable:
                    raise
                wait = FIRST_WAIT * 2**attempt if fault.wait is None else fault.wait
                if wait > LONGEST_WAIT:
                    what = f"the server asks to wait {wait:.0f} s ({fault.reason})"
                    raise InputError(what, remedy="Run the same command then: it continues") from None
                if fault.final or attempt == ATTEMPTS - 1:
                    raise
                if fault.wait is not None:
                    self._quiet_until = max(self._quiet_until, clock() + wait)
                else:
                    await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, body: dict[str, Any]) -> Reply:
        try:
            return reply_of(await self.sdk.chat.completions.create(**body))
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__ in _UNSENT:
                raise Fault("no connection") from None
            cut = "timed out" if isinstance(error, openai.APITimeoutError) else "connection cut"
            raise Fault(cut, paid=True) from None
        except openai.RateLimitError as error:
            if error.code == "insufficient_quota":
                raise Fault("quota", stop=self.refuse(error)) from None
            raise Fault("rate limited", wait=_retry_after(error)) from None
        except openai.APIStatusError as error:
            if error.status_code >= 500 or error.status_code in (408, 409):
                paid = error.status_code in _PERHAPS_ANSWERED
                raise Fault(f"server error {error.status_code}", paid=paid, wait=_retry_after(error)) from None
            if reason := _verdict(error):
                raise Fault(reason, final=True, detail=self.shown(error.message)) from None
            raise Fault("refused", stop=self.refuse(error)) from None
        except (openai.APIError, ValueError):  # ValueError: a body that is no JSON
            raise Fault("no chat completion", paid=True) from None
