"""Every address of suggestions, in one table that `approvals` takes into its own."""

from __future__ import annotations

from typing import Final

from gatekeep.web.operations import Operation
from gatekeep.web.suggestion_shapes import (
    BacktestShape,
    RunShape,
    SampleShape,
    SamplesShape,
    SuggestionCameToShape,
    SuggestionShape,
    SuggestionsShape,
)
from gatekeep.web.suggestion_wishes import (
    AcceptBody,
    SampleBody,
    SamplesQuery,
    SnoozeBody,
    SuggestionReasonBody,
    SuggestionsQuery,
    TakeBackBody,
)
from gatekeep.web.suggestions import (
    accept,
    answer_sample,
    backtest,
    dismiss,
    list_samples,
    list_suggestions,
    run,
    show_suggestion,
    snooze,
    take_back,
)
from gatekeep.web.wishes import NoBody

RUN_PATH: Final = "/v1/suggestions/run"
BACKTEST_PATH: Final = "/v1/suggestions/{id}/backtest"
_READ: Final = "`policy.read` or `suggestion.accept`"
_LOOK: Final = "`review.close` or `suggestion.accept`"
_CHANGE: Final = "`suggestion.accept`"

SUGGESTION_OPERATIONS: Final = (
    Operation(
        "GET", "/v1/suggestions", "listSuggestions", "suggestions, the most saving first",
        list_suggestions, SuggestionsShape, SuggestionsQuery, action=_READ,
    ),
    Operation(
        "POST", RUN_PATH, "runLoop", "look for suggestions and check on the adopted ones, now",
        run, RunShape, NoBody, action=_CHANGE,
    ),
    Operation(
        "GET", "/v1/suggestions/{id}", "showSuggestion", "one suggestion, whole; its id may be shortened",
        show_suggestion, SuggestionShape, action=f"{_READ}, or `review.close`",
    ),
    Operation(
        "POST", "/v1/suggestions/{id}/accept", "acceptSuggestion", "say yes to what the digest proves was seen",
        accept, SuggestionCameToShape, AcceptBody, errors=(409,),
        action=f"{_CHANGE}, and a second factor where it loosens; never who gains most by it",
    ),
    Operation(
        "POST", "/v1/suggestions/{id}/dismiss", "dismissSuggestion", "say no until its evidence has doubled",
        dismiss, SuggestionCameToShape, SuggestionReasonBody, errors=(409,), action=_CHANGE,
    ),
    Operation(
        "POST", "/v1/suggestions/{id}/snooze", "snoozeSuggestion", "put it off",
        snooze, SuggestionCameToShape, SnoozeBody, errors=(409,), action=_CHANGE,
    ),
    Operation(
        "POST", "/v1/suggestions/{id}/take-back", "takeBackSuggestion", "return to the version before, at once",
        take_back, SuggestionCameToShape, TakeBackBody, errors=(409,),
        action=f"{_CHANGE}; a second factor, and two persons, where that loosens",
    ),
    Operation(
        "POST", BACKTEST_PATH, "backtestSuggestion", "replay history under today's and the proposed policy",
        backtest, BacktestShape, NoBody, action=_READ,
    ),
    Operation(
        "GET", "/v1/suggestion-samples", "listSamples", "what adopted rules let pass, to be looked at, oldest first",
        list_samples, SamplesShape, SamplesQuery, action=_LOOK,
    ),
    Operation(
        "POST", "/v1/suggestion-samples/{id}", "answerSample", "say whether it was right",
        answer_sample, SampleShape, SampleBody, errors=(409,), action=f"{_LOOK}; never one's own deed",
    ),
)  # fmt: skip
