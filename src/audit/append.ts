// Writes an event beside the change it records, in the change's own transaction. There is no other way to write one.

import { insertEvent, queueEvent } from "../store/queries/events.ts";
import type { Tx } from "../store/store.ts";
import type { SealedEvent } from "./event.ts";

/**
 * Sends the event, its queue row and `writeSubject` in one go; resolves when all three have succeeded. The event goes
 * first, because the subject's head refers to it: neither can be committed without the other.
 */
export async function appendEvent(
  tx: Tx,
  event: SealedEvent,
  writeSubject: (head: Uint8Array) => Promise<unknown>,
): Promise<void> {
  await Promise.all([insertEvent(tx, event), queueEvent(tx, event.leaf_hash), writeSubject(event.leaf_hash)]);
}
