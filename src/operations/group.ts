// Changes of one subject each that wait at the same time are written together: one transaction, a few statements, one wait for the
// disk. Each is decided by itself and fails alone.

import { conflict, DeadletterError, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { type Command, checkCommand, ruleOf } from "../model/command.ts";
import type { State } from "../model/field.ts";
import { applyAlone, applyEach } from "./apply.ts";
import type { Ask, Idempotency, Outcome } from "./ask.ts";
import type { Core } from "./context.ts";
import type { Waiting } from "./waiting.ts";

/** Applies one command; resolves with the state that it left. Throws as apply() does. */
export async function applyOne(
  core: Core,
  caller: Caller,
  command: Command,
  idempotency?: Idempotency,
): Promise<State> {
  checkCommand(command, caller, core.ownHosts());
  return (await applyAsked(core, { caller, command, idempotency })).state;
}

/** Applies one command that has been checked. Throws conflict while another request with its idempotency key is under way. */
export function applyAsked(core: Core, ask: Ask): Promise<Outcome> {
  return core.waiting.counts.measure(core.clock, () => applyOnce(core, ask));
}

async function applyOnce(core: Core, ask: Ask): Promise<Outcome> {
  const keyHash = ask.idempotency?.keyHash;
  if (keyHash === undefined) return applyWithOthers(core, ask);
  const { inFlight } = core.waiting;
  if (inFlight.has(keyHash))
    throw conflict("Idempotency-Key: a request with it is under way", "repeat the request once that one has ended");
  inFlight.add(keyHash);
  try {
    return await applyWithOthers(core, ask);
  } finally {
    inFlight.delete(keyHash);
  }
}

/** Together with those that wait as well, where it may be. */
function applyWithOthers(core: Core, ask: Ask): Promise<Outcome> {
  if (!isOfOneSubject(ask)) return applyAlone(core, ask);
  const { waiting, clock, store } = core;
  if (waiting.queue.length >= LIMITS.changesWaiting)
    return Promise.reject(unavailable("too many changes are waiting for the database"));
  return new Promise((resolve, reject) => {
    waiting.queue.push({ ...ask, deadlineMs: clock.monotonic() + store.deadlineMs, resolve, reject });
    startGroups(core);
  });
}

/** Whether nothing is locked for it but what it changes: then no two of them wait for one another in a circle. */
function isOfOneSubject({ command }: Ask): boolean {
  const { subject } = ruleOf(command);
  const { lockedUsers, keysOf, adminKeys } = subject.around(command);
  return lockedUsers === undefined && keysOf === undefined && adminKeys !== true;
}

function startGroups(core: Core): void {
  const { waiting, store } = core;
  const { queue, running, lastSize } = waiting;
  if (waiting.isDue || queue.length === 0 || running >= LIMITS.groupsAtOnce[store.engine]) return;
  // Beside another a group is worth its statements only where it is as large: otherwise it waits and grows.
  if (running > 0 && queue.length < lastSize) return;
  waiting.isDue = true;
  gather(core, LIMITS.groupTurns);
}

/**
 * Starts a group once a turn of the event loop adds no more changes. Clients that one group answered send their next requests over
 * the following few turns; split into two groups, each would pay for a commit of its own.
 */
function gather(core: Core, turns: number): void {
  const { waiting, clock, store } = core;
  const { length: before } = waiting.queue;
  clock.soon(() => {
    const { length } = waiting.queue;
    if (turns > 1 && length > before && length < LIMITS.groupSize[store.engine]) return gather(core, turns - 1);
    waiting.isDue = false;
    waiting.running += 1;
    const group = takeGroup(core);
    waiting.lastSize = group.length;
    void writeGroup(core, group).finally(() => {
      waiting.running -= 1;
      startGroups(core);
    });
    startGroups(core);
  });
}

function takeGroup({ waiting, clock, store }: Core): readonly Waiting[] {
  const leastMs = clock.monotonic() + Math.min(LIMITS.groupLeastMs, store.deadlineMs / 4);
  const taken = waiting.queue.splice(0, LIMITS.groupSize[store.engine]);
  for (const { deadlineMs, reject } of taken)
    if (deadlineMs <= leastMs) reject(unavailable("the database did not answer in time"));
  return taken.filter(({ deadlineMs }) => deadlineMs > leastMs);
}

/** Settles each of the group. */
async function writeGroup(core: Core, group: readonly Waiting[]): Promise<void> {
  const [first] = group;
  if (!first) return;
  core.waiting.counts.groupSizes.observe(group.length);
  if (group.length === 1) return settleAlone(core, first);
  try {
    const deadlineMs = first.deadlineMs - core.clock.monotonic();
    const results = await applyEach(core, group, { deadlineMs });
    for (const [at, result] of results.entries()) {
      if ("refusal" in result) group[at]?.reject(result.refusal);
      else group[at]?.resolve(result.outcome);
    }
  } catch (error) {
    if (error instanceof DeadletterError && error.code === "unavailable") {
      // It did not happen, or nobody knows: what may have been done is not done again.
      for (const { reject } of group) reject(error);
      return;
    }
    // Something of one of them broke a rule of the database's, and nothing was written: each is tried by itself.
    core.waiting.counts.triedAlone += group.length;
    await Promise.all(group.map((one) => settleAlone(core, one)));
  }
}

async function settleAlone(core: Core, one: Waiting): Promise<void> {
  try {
    one.resolve(await applyAlone(core, one));
  } catch (error) {
    one.reject(error);
  }
}
