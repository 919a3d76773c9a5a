"""One chat completion through the OpenAI SDK. All that a server sends becomes a :class:`Reply` or a :class:`Fault`."""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai
from pydantic import BaseModel, ConfigDict, ValidationError

from medner.exceptions import InputError

LONGEST_CONNECT = 10.0  # seconds to reach the server; half of the timeout at most
# The server or a gateway gave up waiting; the model may have answered all the same.
_PERHAPS_ANSWERED = (408, 502, 504, 520, 522, 524)
# The transport's names for failures before the request was sent, so that nothing can be billed.
_UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "LocalProtocolError", "UnsupportedProtocol")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|too many tokens|(prompt|input) is too long|tokens is too large", re.I
)
_SHOWN = 200  # characters of a server's message
_SHORTEST_KEY = 8  # shorter keys are placeholders: masking them would mask ordinary letters
_MOST_TOKENS = 10**9  # of one answer; a server that reports more reports nonsense
_THOUGHTS = re.compile(r"\A.*</think>", re.S)
_FENCED = re.compile(r"\A```\w*\s*(.*?)\s*```\Z", re.S)

# Parts of a request that some servers refuse: the names that their messages use, and what is sent instead.
_DIALECTS: dict[str, tuple[re.Pattern[str], str]] = {
    "seed": (re.compile(r"\bseed\b"), "none is sent"),
    "max_completion_tokens": (re.compile(r"\bmax_completion_tokens\b"), "max_tokens is sent"),
    "response_format": (re.compile(r"\b(response_format|json_schema)\b"), "the prompt asks for JSON"),
}
_ASK_FOR_JSON = '\n\nAnswer with one JSON object and nothing else: {"sentences": ["…", "…"]}'


class Sentences(BaseModel):
    """What the model must answer: marked sentences. Every request carries its JSON schema."""

    model_config = ConfigDict(extra="forbid")

    sentences: list[str]


_SCHEMA = {"name": "sentences", "strict": True, "schema": Sentences.model_json_schema()}


@dataclass(frozen=True)
class Reply:
    """An answer as it came. ``tokens``: of input and output; None if the server does not report them."""

    content: str
    refusal: str
    finish: str
    tokens: tuple[int, int] | None


@dataclass(frozen=True)
class Fault:
    """An attempt that gave no answer.

    paid: it may be billed all the same; tokens: as the server reports them. final: the server will never answer this
    request. detail: what the server sent. unfit: nothing there speaks the protocol, so the address is probably wrong.
    wait: seconds that the server asks for. stop: why no request will be accepted.
    """

    reason: str
    paid: bool = False
    tokens: tuple[int, int] | None = None
    final: bool = False
    detail: str = ""
    unfit: bool = False
    wait: float | None = None
    stop: InputError | None = None


class Unusable(ValueError):
    """An answer without sentences. reason: one of a few words, for counting."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


def read_sentences(*, content: str, refusal: str, finish: str) -> list[str]:
    """The sentences of an answer, also of one after a model's thoughts or in a code fence.

    Raises Unusable: refused, truncated, no JSON, or not of the schema.
    """
    if refusal or finish == "content_filter":
        raise Unusable("refused", refusal)
    if finish == "length":
        raise Unusable("truncated", "stopped at the limit of tokens")
    content = content.strip()
    if not content.startswith("{"):
        content = _FENCED.sub(r"\1", _THOUGHTS.sub("", content).strip())
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
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": messages[0]}, {"role": "user", "content": messages[1]}],
        "response_format": {"type": "json_schema", "json_schema": _SCHEMA},
        "max_completion_tokens": max_tokens,
        "seed": seed,
    }
    return body if temperature is None else body | {"temperature": temperature}


def parsed(data: bytes | str) -> object:
    """Decoded JSON, or None. Numbers are floats, so that none is too long to be read."""
    try:
        return json.loads(data, parse_int=float)
    except (ValueError, RecursionError):
        return None


def _tokens(usage: object) -> tuple[int, int] | None:
    match usage:
        case {"prompt_tokens": float(read), "completion_tokens": float(written)} if (
            0 <= read <= _MOST_TOKENS and 0 <= written <= _MOST_TOKENS
        ):
            return int(read), int(written)
    return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait (Retry-After as a number or a date), if it does."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def refused_text(status: object, code: object, message: str) -> str:
    """The reason if an error response is about the text of a request, else empty."""
    if code in ("content_filter", "content_policy_violation"):
        return "refused"
    return "too long" if status == 413 or (status in (400, 422) and _TOO_LONG.search(message)) else ""


def access(base_url: str) -> tuple[str, str]:
    """The key (``OPENAI_API_KEY``) and the server's address (empty: OpenAI's).

    Raises InputError if the key is missing, or if the key or the address is malformed.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        remedy = "Set it in the environment; for a server without keys, set it to any text"
        raise InputError("OPENAI_API_KEY is not set", remedy=remedy)
    if not (key.isascii() and key.isprintable()):
        raise InputError("OPENAI_API_KEY holds a character that no key has", remedy="Copy the key again")
    url = (base_url or os.environ.get("OPENAI_BASE_URL", "")).strip()
    try:
        parts = urlsplit(url)
        sound = not url or (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
        sound = sound and not re.search(r"\s", url)
    except ValueError:
        sound = False
    if not sound:
        what = f"{_without_password(url)!r} is not the address of a server"
        raise InputError(what, remedy="Give one such as http://127.0.0.1:8000/v1")
    return key, url


def _without_password(url: str) -> str:
    return re.sub(r"//.*@", "//***@", url)


class Client:
    """An OpenAI-compatible server.

    base_url: its address; empty: OpenAI's. timeout: seconds for one answer, until its last byte. The key comes from
    ``OPENAI_API_KEY`` and is sent to the server only. say: told once about every part of a request that the server
    refuses and that is sent in another form from then on. Close it after use. Raises InputError if the key or
    the address is malformed.
    """

    def __init__(self, base_url: str = "", *, timeout: float, say: Callable[[str], None]) -> None:
        self._key, url = access(base_url)
        self._say, self.timeout = say, timeout
        self._refused: set[str] = set()  # of _DIALECTS
        # The Run counts retries, not the SDK, since an attempt that was cut off may be billed.
        limits = openai.Timeout(timeout, connect=min(timeout / 2, LONGEST_CONNECT))
        self.sdk = openai.AsyncOpenAI(api_key=self._key, base_url=url or None, timeout=limits, max_retries=0)
        self.address = _without_password(str(self.sdk.base_url))

    async def aclose(self) -> None:
        """Close all connections."""
        await self.sdk.close()

    def _masked(self, text: str) -> str:
        return text.replace(self._key, "***") if len(self._key) >= _SHORTEST_KEY else text

    def shown(self, message: object) -> str:
        """A server's message for display: one short line, unprintable characters escaped, the key masked."""
        text = " ".join(self._masked(str(message)[: 10 * _SHOWN]).split())[:_SHOWN]
        plain = (c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
        return "".join(plain).rstrip(" .")

    def _clean(self, text: object) -> str:
        """Text that can be written as UTF-8 (half of a surrogate pair becomes U+FFFD), with the key masked."""
        return self._masked(_SURROGATE.sub("\ufffd", text)) if isinstance(text, str) else ""

    def reply(self, body: object) -> Reply | Fault:
        """The reply in a decoded response, or the fault that it is not a chat completion."""
        tokens = _tokens(body.get("usage")) if isinstance(body, dict) else None
        match body:
            case {"choices": [{"message": dict() as message, **choice}, *_]}:
                content, refusal = self._clean(message.get("content")), self._clean(message.get("refusal"))
                return Reply(content, refusal, self._clean(choice.get("finish_reason")), tokens)
        return Fault(
            "no chat completion",
            paid=tokens is not None,
            tokens=tokens,
            detail=self.shown(json.dumps(body, ensure_ascii=False) if body else ""),
            unfit=not isinstance(body, dict),
        )

    def adapted(self, body: dict[str, Any]) -> dict[str, Any]:
        """A request in the form that this server accepts."""
        sent = dict(body)
        for part in self._refused & sent.keys():
            old = sent.pop(part)
            if part == "max_completion_tokens":
                sent["max_tokens"] = old
            elif part == "response_format":
                system, *rest = sent["messages"]
                sent["messages"] = [system | {"content": system["content"] + _ASK_FOR_JSON}, *rest]
        return sent

    def adapt(self, status: object, message: str, sent: Mapping[str, Any]) -> bool:
        """Learn from an error response to a request; False if it does not name a part that can be changed."""
        if status not in (400, 422):
            return False
        for part, (names, instead) in _DIALECTS.items():
            if part in sent and names.search(message):
                if part not in self._refused:
                    self._refused.add(part)
                    self._say(f"The server does not accept {part}: {instead} from now on.")
                return True
        return False

    def refuse(self, error: openai.APIError) -> InputError:
        """The message for a request that the server will never accept."""
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return InputError("the server refuses the key or its rights", remedy="Check OPENAI_API_KEY and --base-url")
        remedy = "Check --model, --base-url and your account"
        status = getattr(error, "status_code", "no status")
        return InputError(f"the server refuses the request ({status}: {self.shown(error.message)})", remedy=remedy)

    async def ask(self, body: dict[str, Any]) -> Reply | Fault:
        """What comes of one attempt at a request."""
        try:
            async with asyncio.timeout(self.timeout):
                data = await self._send(body)
        except TimeoutError:
            return Fault("timed out", paid=True)
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if type(cause).__name__ in _UNSENT:
                return Fault("no connection", unfit=True, detail=self.shown(cause))
            cut = "timed out" if isinstance(error, openai.APITimeoutError) else "connection cut"
            return Fault(cut, paid=True, detail=self.shown(cause))
        except openai.APIStatusError as error:
            return self._status_fault(error)
        found = parsed(data)
        if found is None:
            detail = self.shown(data.decode("utf-8", "replace"))
            return Fault("no chat completion", detail=detail, unfit=True)
        return self.reply(found)

    async def _send(self, body: dict[str, Any]) -> bytes:
        while True:
            sent = self.adapted(body)
            try:
                response = await self.sdk.chat.completions.with_raw_response.create(**sent)
                return bytes(response.content)
            except openai.APIStatusError as error:
                if refused_text(error.status_code, error.code, error.message):
                    raise
                if not self.adapt(error.status_code, error.response.text, sent):
                    raise

    def _status_fault(self, error: openai.APIStatusError) -> Fault:
        detail, wait = self.shown(error.message), _retry_after(error.response.headers)
        if isinstance(error, openai.RateLimitError):
            stop = self.refuse(error) if error.code == "insufficient_quota" else None
            return Fault("rate limited", wait=wait, detail=detail, stop=stop)
        if error.status_code >= 500 or error.status_code in (408, 409):
            paid = error.status_code in _PERHAPS_ANSWERED
            return Fault(f"server error {error.status_code}", paid=paid, wait=wait, detail=detail)
        if reason := refused_text(error.status_code, error.code, error.message):
            return Fault(reason, final=True, detail=detail)
        return Fault("refused", stop=self.refuse(error))
