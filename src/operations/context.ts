// What every operation needs, and what a transaction on somebody's behalf has.

import type { LogKey } from "../audit/log-key.ts";
import type { InlineSequencer } from "../audit/sequencer/inline.ts";
import type { Caller } from "../model/caller.ts";
import type { Command } from "../model/command.ts";
import type { Destination } from "../model/destination.ts";
import type { EventType } from "../model/event.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RandomBytes } from "../runtime/random.ts";
import type { Store, Tx } from "../store/store.ts";
import type { Ahead } from "./ahead.ts";
import type { Outcome } from "./ask.ts";
import type { HoldBook } from "./holds.ts";
import type { WaitingChanges } from "./waiting.ts";

export interface Core {
  readonly store: Store;
  readonly logKey: LogKey;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** Hosts (with port, where it is not the scheme's own) that answer redirects: a link to one of them is refused. */
  readonly ownHosts: () => ReadonlySet<string>;
  /** What open incidents hold down. */
  readonly holds: HoldBook;
  /** Why no change is taken now, where none is: the stored log was refused. */
  readonly writeRefusal: () => string | undefined;
  /** Past this silence of the log the store is asked instead of a redirect cache. */
  readonly staleMaxMs: number;
  readonly ahead: Ahead;
  /** Puts events into the log as they are written, where that may be; they wait in the queue where it may not. */
  readonly inline: InlineSequencer | undefined;
  /** Changes of one subject each that wait to be written together. */
  readonly waiting: WaitingChanges;
  /** Called after changes are durably committed, before their caller is answered. `isBulk`: see TransactOptions. */
  readonly onCommit: (changes: readonly Committed[], isBulk: boolean) => void;
}

/** What was committed, as those who follow it in this process hear of it. */
export interface Committed {
  readonly type: string;
  readonly id: number;
  readonly version: number;
  readonly op: EventType;
  readonly leafHash: Uint8Array;
  /** A link as it is now; null for everything else. */
  readonly link: Destination | null;
}

/** One transaction on somebody's behalf. */
export interface Work {
  readonly core: Core;
  readonly caller: Caller;
  readonly tx: Tx;
  /** Decides and writes, in order; one outcome a command. Throws what the first refused one is refused with. */
  apply(commands: readonly Command[]): Promise<readonly Outcome[]>;
}
