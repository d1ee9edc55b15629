// What open incidents hold down, as this process has heard of it. Deciding does not ask the store: a takedown looks again, later than
// everybody has heard, until it finds nothing (incidents.ts).

import { incidentFromRow } from "../model/incident.ts";
import { type IncidentMatch, matchesLink } from "../model/incident-match.ts";
import type { LinkRow } from "../model/link.ts";
import type { SubjectRow } from "../model/subject.ts";
import { listHolding } from "../store/queries/incidents.ts";
import type { Store } from "../store/store.ts";

export class HoldBook {
  readonly #store: Store;
  #holds: readonly { readonly id: number; readonly match: IncidentMatch }[] = [];
  #reading: Promise<void> | undefined;
  #isStale = false;

  constructor(store: Store) {
    this.#store = store;
  }

  get count(): number {
    return this.#holds.length;
  }

  /** Which incident holds the link down, but for `but`; undefined where none does. */
  readonly heldBy = (link: SubjectRow, keyId: number | null, but?: number): number | undefined =>
    this.#holds.find(({ id, match }) => id !== but && matchesLink(match, link as LinkRow, keyId))?.id;

  /** Resolves once everything that held as it was called is known. */
  load(): Promise<void> {
    this.#isStale = true;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      this.#holds = (await this.#store.read(listHolding)).map(incidentFromRow);
    }
  }
}
