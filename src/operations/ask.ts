// What is asked of apply(), and what it answers.

import type { DeadletterError } from "../errors.ts";
import type { Caller } from "../model/caller.ts";
import type { Command } from "../model/command.ts";
import type { State } from "../model/field.ts";

/** What became of the subject of a command. */
export interface Outcome {
  /** The whole state, hidden fields included. */
  readonly state: State;
  /** False where the subject was so already: there is no event. */
  readonly isChanged: boolean;
  /** Whether the same request was carried out before: this is what it came to then. */
  readonly isRepeated?: boolean;
}

/** See idempotency.ts. */
export interface Idempotency {
  readonly keyHash: string;
  readonly digest: string;
}

/** A command, and who wants it done. */
export interface Ask {
  readonly caller: Caller;
  readonly command: Command;
  /** Of a request that may come again and must not be done twice. */
  readonly idempotency?: Idempotency | undefined;
  /** Stands in the place of the command's id, which then means nothing: what the kind's nameColumn holds. */
  readonly name?: string | undefined;
}

/** What became of a command that may fail alone. */
export type Result = { readonly outcome: Outcome } | { readonly refusal: DeadletterError };
