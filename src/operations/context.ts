// What every operation needs.

import type { EventType } from "../model/event.ts";
import type { Destination } from "../model/link.ts";
import type { Store } from "../store/store.ts";
import type { LogKey } from "../tlog/log-key.ts";

export interface Core {
  readonly store: Store;
  readonly logKey: LogKey;
  readonly clock: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Hosts (with port, where it is not the scheme's own) that answer redirects: a link to one of them is refused. */
  readonly ownHosts: () => ReadonlySet<string>;
  /** Why no change is taken now, where none is: the stored log was refused. */
  readonly writeRefusal: () => string | undefined;
  /** Called after changes are durably committed, before their caller is answered. */
  readonly onCommit: (changes: readonly Committed[]) => void;
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
