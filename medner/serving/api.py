"""The HTTP interface: ``POST /annotate``, ``GET /health``, the page that uses them, and a page that documents them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator

from medner import __version__
from medner.serving.batching import REQUEST, Annotate, Batcher, BusyError, FailedError, log_failure
from medner.serving.pages import POLICY, api_page, index_page

TEXTS = 1_000  # most texts of a request
# A character takes at most 12 bytes in JSON (an escaped pair of surrogates); the rest is names and punctuation.
BYTES_A_CHARACTER, BYTES_MORE = 12, 65_536
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PipelineInfo(BaseModel):
    """A pipeline that the server holds."""

    name: str = Field(description="by which a request names it")
    labels: list[str] = Field(description="what it finds")
    has_confidence: bool = Field(description="whether its entities have a confidence")
    trained_on: dict[str, str] = Field(description="a note on every training corpus, by name; empty if unknown")


class Health(BaseModel):
    """What the server holds and takes."""

    status: str = Field(description="ok")
    pipelines: list[PipelineInfo] = Field(description="in the order of the command line")
    max_texts: int = Field(description="most texts of a request")
    max_characters: int = Field(description="most characters of a request, all texts together")


class Question(BaseModel):
    """Texts to annotate."""

    model_config = ConfigDict(extra="forbid")

    text: str | list[str] = Field(description="one text, or a list of texts", examples=["Pacienta are HTA."])
    pipelines: list[str] | None = Field(default=None, description="names of pipelines; all of them if left out")

    @field_validator("text")
    @classmethod
    def _is_unicode(cls, text: str | list[str]) -> str | list[str]:
        try:
            "".join(text).encode()
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair, which is no Unicode text") from None
        return text


class Found(BaseModel):
    """An entity."""

    model_config = ConfigDict(from_attributes=True)

    start: int = Field(description="first character, counted from 0 in Unicode code points")
    end: int = Field(description="character after the last")
    label: str = Field(description="one of the pipeline's labels")
    text: str = Field(description="the text from start to end")
    confidence: float | None = Field(description="probability of the entity; null from pipelines without one")


class Answer(BaseModel):
    """Entities."""

    annotations: dict[str, list[list[Found]]] = Field(
        description="by name of the pipeline, the entities of every text, in the order of the texts"
    )


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="what is wrong")


PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "there is no pipeline of that name"},
    413: {"model": Problem, "description": "the request is too large"},
    422: {"model": Problem, "description": "the request does not have this form"},
    500: {"model": Problem, "description": "a pipeline failed on these texts"},
    503: {"model": Problem, "description": "too much text is waiting; ask again later"},
}


@dataclass(frozen=True)
class Served:
    """A pipeline that is served: what is said of it, and the function that annotates texts with it."""

    info: PipelineInfo
    annotate: Annotate


def create_app(pipelines: Sequence[Served], *, max_characters: int = REQUEST) -> FastAPI:
    """The server of pipelines with different names. It keeps no text and logs no request."""
    held = {one.info.name: one for one in pipelines}
    batcher = Batcher({name: one.annotate for name, one in held.items()})
    health = Health(
        status="ok", pipelines=[one.info for one in pipelines], max_texts=TEXTS, max_characters=max_characters
    )
    app = FastAPI(
        title="medner",
        version=__version__,
        # The usual documentation loads its scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        max_body_size=max_characters * BYTES_A_CHARACTER + BYTES_MORE,
        # Off even where the environment of the process asks for it.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.add_exception_handler(RequestValidationError, _explain)

    @app.middleware("http")
    async def protect(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            response = await answer(request)
        except Exception as error:
            log_failure("The server", error)
            response = JSONResponse({"detail": "the server failed; its log names the place"}, status_code=500)
        response.headers.update(HEADERS)
        return response

    @app.post("/annotate", responses=PROBLEMS)
    async def annotate(question: Question) -> Answer:
        """Find the entities of one or more texts. Texts are neither kept nor logged."""
        texts = [question.text] if isinstance(question.text, str) else question.text
        names = list(held) if question.pipelines is None else question.pipelines
        for name in names:
            if name not in held:
                raise HTTPException(404, f"there is no pipeline {name!r}; there are {', '.join(held)}")
        if len(texts) > TEXTS or sum(map(len, texts)) > max_characters:
            raise HTTPException(413, f"at most {TEXTS:,} texts and {max_characters:,} characters a request")
        try:
            found = await batcher.annotate(texts, names)
        except BusyError:
            detail = "too much text is waiting; ask again later"
            raise HTTPException(503, detail, headers={"Retry-After": "5"}) from None
        except FailedError:
            raise HTTPException(500, "a pipeline failed on these texts; the server's log names the place") from None
        return Answer.model_validate({"annotations": found}, from_attributes=True)

    @app.get("/health")
    async def state() -> Health:
        """Whether the server runs, and its pipelines and limits."""
        return health

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(index_page())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(api_page(app.openapi()))

    return app


async def _explain(_: Request, error: Exception) -> Response:
    """What is wrong with a request, in one line without the value at fault, which is text."""
    faults: Iterable[Any] = error.errors() if isinstance(error, RequestValidationError) else []
    found = {f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults}
    detail = "; ".join(sorted(found)).encode(errors="replace").decode()
    return JSONResponse({"detail": detail}, status_code=422)
