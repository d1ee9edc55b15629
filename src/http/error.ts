// Every failing answer: `{"error": CODE, "detail": TEXT}`, whatever threw, and never the thrown text of an unknown error.

import { Type } from "@sinclair/typebox";
import type { ValueError } from "@sinclair/typebox/errors";
import { NotFoundError, ParseError, ValidationError } from "elysia";
import {
  badRequest,
  DeadletterError,
  ERROR_TABLE,
  type ErrorCode,
  notFound,
  unavailable,
  unexpected,
} from "../errors.ts";
import { explainValue, wordOf } from "../model/schema.ts";
import { describeError } from "../runtime/logger.ts";
import { CheckpointError } from "../tlog/note.ts";
import type { Exchange } from "./exchange.ts";
import type { Service } from "./service.ts";

export const ErrorAnswer = Type.Object(
  {
    error: wordOf(Object.keys(ERROR_TABLE) as ErrorCode[]),
    detail: Type.String({ description: "for people: what is wrong, and where known what to do about it" }),
  },
  { $id: "Error" },
);

export function errorResponse(service: Service, exchange: Exchange, thrown: unknown): Response {
  const known = classify(thrown);
  if (!known) logUnexpected(service, exchange, thrown);
  else if (known.code === "unavailable")
    service.log.warn("store unavailable", {
      request_id: exchange.requestId,
      route: exchange.route,
      ...describeError(known),
    });
  const error = known ?? unexpected(thrown);
  return Response.json(errorBody(error), { status: ERROR_TABLE[error.code].status, headers: error.headers });
}

/** The two members that every error is told with. */
export function errorBody({ code, message, hint }: DeadletterError): { error: ErrorCode; detail: string } {
  return { error: code, detail: (hint === undefined ? message : `${message} (${hint})`).toWellFormed() };
}

export function logUnexpected({ log }: Service, { requestId, route }: Exchange, thrown: unknown): void {
  log.error("request failed", { request_id: requestId, route, ...describeError(thrown) });
}

/** The error in our own terms, or undefined if it is unexpected. */
function classify(thrown: unknown): DeadletterError | undefined {
  if (thrown instanceof DeadletterError) return thrown;
  // Told apart from an outage by its text alone: who asks can do as little about it, and an operator has the alarm.
  if (thrown instanceof CheckpointError)
    return unavailable("the stored log is not what was signed: the operator must run deadletter verify", {
      cause: thrown,
    });
  if (thrown instanceof ValidationError) return explainValidation(thrown);
  if (thrown instanceof NotFoundError) return notFound("there is nothing at this path");
  // Elysia wraps what our body reader throws.
  if (thrown instanceof ParseError) return classify(thrown.cause) ?? badRequest("the body cannot be read");
  return undefined;
}

function explainValidation(error: ValidationError): DeadletterError {
  const first = mostTelling(error.valueError as ValueError | undefined);
  if (!first) return badRequest(`the ${error.type} is not valid`);
  const field = first.path.slice(1).replaceAll("/", ".") || error.type;
  if (first.message === "Unexpected property")
    return badRequest(`${field}: is not a ${error.type === "query" ? "query parameter" : "member"} this request knows`);
  if (first.message === "Expected required property") return badRequest(`${field}: is required`);
  return badRequest(`${field}: ${explainValue(first)}`);
}

/** Of a union's errors, the one that lies deepest: the caller meant the variant that came closest. */
function mostTelling(error: ValueError | undefined): ValueError | undefined {
  const nested = error?.errors.flatMap((iterator) => {
    const inner = mostTelling(iterator.First());
    return inner ? [inner] : [];
  });
  const deepest = nested?.reduce<ValueError | undefined>(
    (best, candidate) => (best && best.path.length >= candidate.path.length ? best : candidate),
    undefined,
  );
  return deepest && error && deepest.path.length > error.path.length ? deepest : error;
}
