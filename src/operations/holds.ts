// What open incidents hold down, as this process knows it. Deciding does not ask the store, as long as the log was heard a moment ago;
// where it was not, the store is asked before the next transaction. What began before is found by the takedown, which looks again
// later than that (incidents.ts).

import { incidentFromRow } from "../model/incident.ts";
import { type IncidentMatch, matchesLink } from "../model/incident-match.ts";
import type { LinkRow } from "../model/link.ts";
import type { HeldBy } from "../model/subject.ts";
import type { Clock } from "../runtime/clock.ts";
import { listHolding } from "../store/queries/incidents.ts";
import type { Store } from "../store/store.ts";

export interface HoldBookOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** When everything in the log was heard, on the monotonic clock. */
  readonly heardMs: () => number;
  /** For how long what was heard is taken to hold. */
  readonly staleMaxMs: number;
}

export class HoldBook {
  readonly #options: HoldBookOptions;
  #holds: readonly { readonly id: number; readonly match: IncidentMatch }[] = [];
  #reading: Promise<void> | undefined;
  #isStale = true;
  #readMs = Number.NEGATIVE_INFINITY;

  constructor(options: HoldBookOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#holds.length;
  }

  /** Which incident holds the link down. */
  readonly heldBy: HeldBy = (link, { keyId, but } = {}) =>
    this.#holds.find(({ id, match }) => id !== but && matchesLink(match, link as LinkRow, { incidentId: id, keyId }))
      ?.id;

  /** What is known may be no longer so. */
  expire(): void {
    this.#isStale = true;
  }

  /** Before a transaction decides by it. Undefined where nothing has to be asked for. Rejects where the store does not answer. */
  refresh(): Promise<void> | undefined {
    // Whoever comes while it is read waits for that, and does not begin it anew.
    if (this.#reading) return this.#reading;
    const { clock, heardMs, staleMaxMs } = this.#options;
    const isOld = clock.monotonic() - Math.max(this.#readMs, heardMs()) > staleMaxMs;
    if (!this.#isStale && !isOld) return undefined;
    this.#isStale = true;
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { store, clock } = this.#options;
    while (this.#isStale) {
      this.#isStale = false;
      const beganMs = clock.monotonic();
      try {
        this.#holds = (await store.read(listHolding)).map(incidentFromRow);
        this.#readMs = beganMs;
      } catch (error) {
        this.#isStale = true;
        throw error;
      }
    }
  }
}
