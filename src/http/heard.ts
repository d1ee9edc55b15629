// Prefer: wait=N (RFC 7240 section 4.3) on a change: the answer comes when every process that serves has heard of it, or after N
// seconds, and says who has not.

import { type Static, type TObject, type TProperties, Type } from "@sinclair/typebox";
import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { wordOf } from "../model/schema.ts";
import { placeBehind } from "../operations/heard.ts";
import { sleep } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { describeError } from "../runtime/logger.ts";
import { type Answer, exchangeOf, noteEvent } from "./exchange.ts";
import type { Service } from "./service.ts";

export const Heard = Type.Object(
  {
    complete: Type.Boolean({ description: "every process that may redirect has heard of the change" }),
    log_index: Type.Union([Type.Integer(), Type.Null()], { description: "of its event; null: not in the log yet" }),
    replicas: Type.Integer({ description: "how many have heard" }),
    missing: Type.Array(
      Type.Object({
        replica: Type.String(),
        state: wordOf(["behind", "lapsed"], {
          description:
            "behind: lives and has not heard; lapsed: dead, or cut off and redirecting from memory for a while",
        }),
      }),
    ),
  },
  { $id: "Heard" },
);
export type Heard = Static<typeof Heard>;

/** What a change answers: the subject, and where that was preferred who has heard. */
export function changed<Members extends TProperties>(schema: TObject<Members>) {
  return Type.Object({ ...schema.properties, heard: Type.Optional(Heard) }, { $id: `Changed${schema.$id}` });
}

/** A subject as a change left it. */
interface Changed {
  readonly id: number;
  readonly version: number;
}

interface Asked {
  readonly request: Request;
  readonly set: Answer;
}

/** Requests that wait now. */
const waiting = new WeakMap<Service, { count: number }>();

/** The answer to a change of a subject of `type`, once those who should have heard of it, where that was preferred. */
export async function answerChange<State extends Changed>(
  service: Service,
  { request, set }: Asked,
  type: string,
  state: State,
): Promise<State & { heard?: Heard }> {
  noteEvent(request, type, state);
  const seconds = preferredWait(request);
  if (seconds === undefined) return state;
  const mine = waiting.get(service) ?? { count: 0 };
  waiting.set(service, mine);
  // A preference may be left unheeded, and who prefers must look whether it was (RFC 7240 section 3).
  if (mine.count >= LIMITS.heardWaiters) return state;
  mine.count += 1;
  try {
    const event = { subject_type: type, subject_id: state.id, version: state.version };
    const heard = await waitUntilHeard(service, request, event, seconds * 1000);
    set.headers["preference-applied"] = `wait=${seconds}`;
    return { ...state, heard };
  } finally {
    mine.count -= 1;
  }
}

async function waitUntilHeard(
  service: Service,
  request: Request,
  event: Parameters<typeof placeBehind>[1],
  waitMs: number,
): Promise<Heard> {
  const { clock } = service.core;
  const untilMs = clock.monotonic() + waitMs;
  let heard: Heard = { complete: false, log_index: null, replicas: 0, missing: [] };
  for (;;) {
    try {
      const ms = Math.max(LIMITS.storeLateMs, untilMs - clock.monotonic());
      const late = () => unavailable("the store did not answer in time");
      heard = (await withDeadline(clock, lookWho(service, event), { ms, late })) ?? heard;
      if (heard.log_index !== null && !heard.missing.some(({ state }) => state === "behind")) return heard;
    } catch (error) {
      // The change is made, whatever becomes of the wait for others.
      const { requestId } = exchangeOf(request);
      service.log.debug("it cannot be seen who has heard", { request_id: requestId, ...describeError(error) });
    }
    const leftMs = untilMs - clock.monotonic();
    if (leftMs <= 0 || request.signal.aborted || service.isDraining()) return heard;
    await sleep(clock, Math.min(LIMITS.heardPollMs, leftMs));
  }
}

/** Undefined while the event is on its way into the log. */
async function lookWho(
  { core, presence }: Service,
  event: Parameters<typeof placeBehind>[1],
): Promise<Heard | undefined> {
  const place = await placeBehind(core, event);
  if (!place) return undefined;
  const { replicas, missing } = await presence.look(place);
  return { complete: missing.length === 0, log_index: place.next - 1, replicas, missing: [...missing] };
}

/** Seconds, at most LIMITS.feedWaitS; undefined where nothing of the kind is preferred, or in words that are not RFC 7240's. */
function preferredWait(request: Request): number | undefined {
  const header = request.headers.get("prefer") ?? "";
  const [, seconds] = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[;,]|$)/i.exec(header) ?? [];
  return seconds === undefined ? undefined : Math.min(Number(seconds), LIMITS.feedWaitS);
}
