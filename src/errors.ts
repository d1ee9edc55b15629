// The one error type of the project and the closed table from its code to an HTTP status and an exit code.
// A message names the thing and the rule it broke; the next step goes into the hint, apart from it.

/** Status: HTTP (RFC 9110 section 15). Exit: what the process returns when the error ends a command. */
export const ERROR_TABLE = {
  bad_request: { status: 400, exit: 2 },
  unauthorized: { status: 401, exit: 5 },
  forbidden: { status: 403, exit: 5 },
  not_found: { status: 404, exit: 3 },
  method_not_allowed: { status: 405, exit: 1 },
  conflict: { status: 409, exit: 4 },
  precondition_failed: { status: 412, exit: 4 },
  payload_too_large: { status: 413, exit: 2 },
  idempotency_mismatch: { status: 422, exit: 4 },
  unsupported_media_type: { status: 415, exit: 2 },
  too_many_requests: { status: 429, exit: 7 },
  internal_error: { status: 500, exit: 1 },
  unavailable: { status: 503, exit: 7 },
  verification_failed: { status: 500, exit: 6 },
} as const satisfies Record<string, { status: number; exit: number }>;

export type ErrorCode = keyof typeof ERROR_TABLE;

export interface ErrorOptions {
  /** The next step for the reader, in words that can be acted on. */
  readonly hint?: string;
  /** Extra response headers the status asks for: Allow, Retry-After, WWW-Authenticate. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class DeadletterError extends Error {
  override readonly name = "DeadletterError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.headers = options.headers ?? {};
  }
}

export function badRequest(message: string, hint?: string): DeadletterError {
  return new DeadletterError("bad_request", message, hint === undefined ? {} : { hint });
}

export function notFound(message: string, hint?: string): DeadletterError {
  return new DeadletterError("not_found", message, hint === undefined ? {} : { hint });
}

export function conflict(message: string, hint?: string): DeadletterError {
  return new DeadletterError("conflict", message, hint === undefined ? {} : { hint });
}

/** 401 with its challenge (RFC 9110 section 11.6.1, RFC 6750 section 3). */
export function unauthorized(message: string): DeadletterError {
  return new DeadletterError("unauthorized", message, { headers: { "www-authenticate": 'Bearer realm="deadletter"' } });
}

/** 503 with Retry-After (RFC 9110 section 10.2.3), in seconds. */
export function unavailable(
  message: string,
  { retryAfterS = 1, cause, hint }: { retryAfterS?: number; cause?: unknown; hint?: string } = {},
): DeadletterError {
  const headers = { "retry-after": String(retryAfterS) };
  return new DeadletterError("unavailable", message, { headers, cause, ...(hint === undefined ? {} : { hint }) });
}

/** What is told of an error that nobody foresaw: it is in the server's log. */
export function unexpected(cause: unknown): DeadletterError {
  return new DeadletterError("internal_error", "an unexpected error occurred", { cause });
}

export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
