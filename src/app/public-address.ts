// Where the public reaches redirects: what was set; else what a process that serves has recorded in the store; else the listener.
// Never what a request says its host is.

import type { Config } from "../config/settings.ts";
import { LIMITS } from "../limits.ts";
import { ownHostsOf } from "../model/target.ts";
import { agreeOnPublicAddress, readPublicAddress } from "../operations/public-address.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Store } from "../store/store.ts";
import { baseUrlOf } from "./listen.ts";

export interface Beside {
  readonly store: Store;
  readonly log: Logger;
  readonly clock: Clock;
}

export class PublicAddress {
  readonly #config: Config;
  readonly #beside: Beside;
  #value: string;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;
  #hosts: { readonly from: ReadonlySet<string>; readonly value: string; readonly all: ReadonlySet<string> } | undefined;

  constructor(config: Config, beside: Beside) {
    this.#config = config;
    this.#beside = beside;
    this.#value = baseUrlOf(config);
  }

  /** Without a slash at the end. */
  get value(): string {
    return this.#value;
  }

  /** The hosts of this server, with the one at which the public reaches it. */
  addTo(hosts: ReadonlySet<string>): ReadonlySet<string> {
    if (this.#hosts?.from !== hosts || this.#hosts.value !== this.#value)
      this.#hosts = { from: hosts, value: this.#value, all: new Set([...hosts, ...ownHostsOf(this.#value, [], [])]) };
    return this.#hosts.all;
  }

  /** For a process that does not listen. Returns what was recorded where this process was set to something else. */
  async learn(): Promise<string | undefined> {
    const recorded = await readPublicAddress(this.#beside.store);
    if (recorded === undefined) return undefined;
    if (this.#config.baseUrl === undefined) this.#value = recorded.baseUrl;
    return recorded.isSet && recorded.baseUrl !== this.#value ? recorded.baseUrl : undefined;
  }

  /** This process listens, and is reached at `baseUrl` as far as it knows: it writes that down, as soon as the store takes it. */
  listensAt(baseUrl: string): void {
    this.#value = baseUrl;
    this.#running = this.#agree(baseUrl).then((isDone) => {
      if (isDone || this.#isClosed) return;
      this.#timer = this.#beside.clock.after(LIMITS.addressRetryMs, () => this.listensAt(baseUrl));
      this.#timer.unref();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#beside.clock.cancel(this.#timer);
    await this.#running;
  }

  async #agree(baseUrl: string): Promise<boolean> {
    const { store, log, clock } = this.#beside;
    try {
      const own = { baseUrl, isSet: this.#config.baseUrl !== undefined };
      const { baseUrl: agreed, other } = await agreeOnPublicAddress(store, own, clock.now());
      this.#value = agreed;
      if (other !== undefined)
        log.warn("short URLs change: another base URL was set before", { from: other, to: agreed });
      else if (agreed !== baseUrl)
        log.info("short URLs are as another process was set to write them", { base_url: agreed });
      return true;
    } catch (error) {
      log.debug("the public address cannot be recorded now", describeError(error));
      return false;
    }
  }
}
