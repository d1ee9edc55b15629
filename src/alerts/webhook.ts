// Posts alerts to one address: in order, tried again where that may help, never past what waits at the most. Its redirects are not
// followed: whoever answers for the address would else choose where our messages go.

import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { VERSION } from "../runtime/version.ts";
import { type AlertMessage, postOf, type WebhookFormat } from "./message.ts";

export interface WebhookOptions {
  /** A secret. */
  readonly url: string;
  readonly format: WebhookFormat;
  readonly clock: Clock;
  readonly onSent: (message: AlertMessage) => void;
  readonly onFailure: (why: string, alert: string) => void;
}

export const ALERT_RESULTS = ["sent", "failed", "dropped"] as const;
export type AlertResult = (typeof ALERT_RESULTS)[number];

/** What became of one try. */
export type Delivery = { readonly ok: true; readonly status: number } | Failure;
interface Failure {
  readonly ok: false;
  readonly why: string;
  /** Whether another try may come to something else. */
  readonly mayPass: boolean;
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly counts: Record<AlertResult, number> = { sent: 0, failed: 0, dropped: 0 };
  readonly #queue: { readonly message: AlertMessage; readonly resolve: (isTaken: boolean) => void }[] = [];
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** Sends it after those before it; whether it was taken. Past LIMITS.alertsWaiting the oldest is dropped. */
  send(message: AlertMessage): Promise<boolean> {
    if (this.#closing.signal.aborted) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#queue.push({ message, resolve });
    if (this.#queue.length > LIMITS.alertsWaiting) {
      this.#queue.shift()?.resolve(false);
      this.counts.dropped += 1;
    }
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
    });
    return promise;
  }

  /** Sends it now, trying again LIMITS.alertTries times at the most; whether it was taken. */
  async deliver(message: AlertMessage, signal: AbortSignal = this.#closing.signal): Promise<boolean> {
    const { clock, onSent, onFailure } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const delivery = await this.post(message, signal);
      if (delivery.ok) {
        this.counts.sent += 1;
        onSent(message);
        return true;
      }
      if (!delivery.mayPass || attempt >= LIMITS.alertTries || signal.aborted) {
        this.counts.failed += 1;
        onFailure(delivery.why, message.alert);
        return false;
      }
      await sleep(clock, Math.min(LIMITS.alertBackoffMs * 2 ** (attempt - 1), LIMITS.alertBackoffMostMs), signal);
    }
  }

  /** One try. Its failure names neither address nor answer: both may be secret. */
  async post(message: AlertMessage, signal: AbortSignal = this.#closing.signal): Promise<Delivery> {
    const { url, format } = this.#options;
    const { headers, body } = postOf(format, message);
    try {
      const response = await fetch(url, {
        method: "POST",
        redirect: "manual",
        headers: { ...headers, "user-agent": `deadletter/${VERSION}` },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.alertPostMs)]),
      });
      await response.body?.cancel();
      const { status } = response;
      if (response.ok) return { ok: true, status };
      const why =
        status >= 300 && status < 400
          ? `it answered ${status}, a redirect, which is not followed`
          : `it answered ${status}`;
      return { ok: false, why, mayPass: status >= 500 || status === 408 || status === 429 };
    } catch (error) {
      const isLate = error instanceof DOMException && error.name === "TimeoutError";
      const code = (error as { code?: unknown }).code;
      const why = isLate
        ? "it did not answer in time"
        : `it cannot be reached${typeof code === "string" ? ` (${code})` : ""}`;
      return { ok: false, why, mayPass: true };
    }
  }

  /** Gives up what waits. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #drain(): Promise<void> {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift())
      next.resolve(await this.deliver(next.message));
  }
}
