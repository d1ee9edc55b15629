// Two replicas over one store in one process, under a schedule of changes, reads, delays, silences and crashes that one seed decides.
// The store is a real SQLite file, its threads inline; the same seed gives the same trace.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Deadletter } from "../../src/app/assemble.ts";
import { open } from "../../src/app/open.ts";
import { connectStore } from "../../src/app/open-store.ts";
import type { Finding } from "../../src/audit/finding.ts";
import { createLogKey, encodeLogKey } from "../../src/audit/log-key.ts";
import { verify } from "../../src/audit/verify.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/settings.ts";
import { LIMITS } from "../../src/limits.ts";
import type { Caller } from "../../src/model/caller.ts";
import { applyOne } from "../../src/operations/group.ts";
import { placeBehind } from "../../src/operations/heard.ts";
import { readLinkHistory } from "../../src/operations/link-history.ts";
import type { Found } from "../../src/redirect/resolve.ts";
import { sleep } from "../../src/runtime/clock.ts";
import { systemFiles } from "../../src/runtime/files.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import type { BeginOptions, Store, Tx } from "../../src/store/store.ts";
import { judge, type Outage, type Read, type Written } from "./history.ts";
import { bytesFrom, type Random, SimulatedClock, SimulatedTime, seeded } from "./simulated-clock.ts";

/** A fault of ours that a run is to find. */
export type Plant = "lost-eviction" | "told-before-commit" | undefined;

export interface Run {
  /** What happened, a line each; the same for the same seed. */
  readonly trace: readonly string[];
  readonly findings: readonly string[];
}

const LINKS = 4;
const RUN_MS = 12_000;
const STALE_MAX_MS = 1_000;
const SELF: Caller = { userId: null, keyId: null, role: "admin", via: "simulation", requestId: null };
const quiet = createLogger("silent");

interface Replica {
  readonly number: number;
  readonly clock: SimulatedClock;
  readonly deadletter: Deadletter;
  readonly store: Store;
  /** Until when its store does not answer. */
  silentUntilMs: number;
  isDead: boolean;
  /** Whether it has looked at the log since it was started. */
  hasLooked: boolean;
}

export async function simulate(seed: number, plant?: Plant): Promise<Run> {
  const simulation = new Simulation(seed, plant);
  try {
    return await simulation.run();
  } finally {
    simulation.remove();
  }
}

class Simulation {
  readonly #time = new SimulatedTime();
  readonly #own = new SimulatedClock(this.#time);
  readonly #random: Random;
  readonly #plant: Plant;
  readonly #dataDir = mkdtempSync(join(tmpdir(), "deadletter-simulation-"));
  readonly #config: Config;
  readonly #replicas: Replica[] = [];
  readonly #written = new Map<string, { sentMs: number; toldMs?: number; isHeard: boolean }>();
  readonly #reads: Read[] = [];
  readonly #outages: Outage[] = [];
  readonly #trace: string[] = [];
  readonly #startedMs = this.#time.nowMs;
  #ids: number[] = [];

  constructor(seed: number, plant: Plant) {
    this.#random = seeded(seed);
    this.#plant = plant;
    const key = createLogKey("simulation.example/log", new Uint8Array(32).fill(9));
    this.#config = loadConfig({
      DEADLETTER_DATA_DIR: this.#dataDir,
      DEADLETTER_LOG_KEY: encodeLogKey(key),
      DEADLETTER_MIGRATE: "true",
      DEADLETTER_CACHE_ENTRIES: "1000",
      DEADLETTER_CACHE_MISSING: "1000",
    }).config;
  }

  remove(): void {
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  async run(): Promise<Run> {
    for (const number of [0, 1]) this.#replicas[number] = await this.#time.drive(this.#start(number));
    this.#ids = await this.#time.drive(this.#createLinks());
    const untilMs = this.#time.nowMs + RUN_MS;
    const actors = [
      ...[0, 1].map((writer) => this.#act(untilMs, 150, () => this.#write(writer))),
      ...[0, 1].map((replica) => this.#act(untilMs, 40, () => this.#read(replica))),
      this.#act(untilMs, 2_500, () => this.#disturb()),
    ];
    await this.#time.drive(Promise.all(actors));
    const findings = await this.#time.drive(this.#conclude());
    for (const { deadletter, isDead } of this.#replicas) if (!isDead) await this.#time.drive(deadletter.close());
    return { trace: this.#trace, findings };
  }

  #note(line: string): void {
    this.#trace.push(`${(this.#time.nowMs - this.#startedMs).toFixed(3)} ${line}`);
  }

  async #act(untilMs: number, meanMs: number, run: () => Promise<void>): Promise<void> {
    while (this.#time.nowMs < untilMs) {
      await sleep(this.#own, this.#random() * 2 * meanMs);
      await run();
    }
  }

  async #start(number: number): Promise<Replica> {
    const clock = new SimulatedClock(this.#time);
    const outside = { clock, randomBytes: bytesFrom(seeded(Math.floor(this.#random() * 2 ** 31))), files: systemFiles };
    const life: { replica?: Replica; store?: Store } = {};
    const deadletter = await open(this.#config, {
      log: quiet,
      via: "simulation",
      outside,
      isThreadless: true,
      connect: async (config) => {
        life.store = await connectStore(config, clock);
        return this.#slow(life.store, clock, () => life.replica?.silentUntilMs ?? 0);
      },
    });
    await deadletter.start();
    deadletter.ready();
    const replica = {
      number,
      clock,
      deadletter,
      store: life.store as Store,
      silentUntilMs: 0,
      isDead: false,
      hasLooked: false,
    };
    deadletter.auditLog.feed.onFirstLook(() => {
      replica.hasLooked = true;
    });
    life.replica = replica;
    if (this.#plant === "lost-eviction") this.#loseEvictions(deadletter);
    this.#note(`replica ${number} serves`);
    return replica;
  }

  /** The store as a network leaves it: each call takes a while to get there and a while to come back, and sometimes very long. */
  #slow(store: Store, clock: SimulatedClock, silentUntilMs: () => number): Store {
    const delay = async () => {
      await sleep(clock, this.#random() ** 4 * 60 + Math.max(0, silentUntilMs() - this.#time.nowMs));
    };
    const begin: Store["begin"] = async (run, options) => {
      await delay();
      const isEarly = this.#plant === "told-before-commit" && this.#ids.length > 0;
      const value = await (isEarly ? this.#tellEarly(store, run, options) : store.begin(run, options));
      await delay();
      return value;
    };
    return {
      ...store,
      begin,
      read: async (run) => {
        await delay();
        const value = await store.read(run);
        await delay();
        return value;
      },
    };
  }

  /** Says what a transaction came to before it is committed, a moment later. */
  async #tellEarly<T>(store: Store, run: (tx: Tx) => Promise<T>, options?: BeginOptions): Promise<T> {
    const told = Promise.withResolvers<T>();
    void store
      .begin(async (tx) => {
        told.resolve(await run(tx));
        throw new Error("not yet");
      }, options)
      .catch((error: unknown) => told.reject(error));
    const value = await told.promise;
    this.#own.after(this.#random() * 3_000, () => {
      if (!this.#replicas.some(({ isDead, store: each }) => isDead && each === store))
        void store.begin(run, options).catch(() => undefined);
    });
    return value;
  }

  #loseEvictions({ redirects: { resolver } }: Deadletter): void {
    const refresh = resolver.refresh.bind(resolver);
    resolver.refresh = (link) => {
      if (this.#random() > 0.05) refresh(link);
    };
  }

  #createLinks(): Promise<number[]> {
    const { core } = (this.#replicas[0] as Replica).deadletter;
    const make = async (link: number) => {
      const target = `https://example.com/${link}/first`;
      this.#written.set(target, { sentMs: this.#time.nowMs, isHeard: false });
      const command = { type: "link.create", short_code: `link-${link}`, original_url: target } as const;
      const { id } = (await applyOne(core, SELF, command)) as { id: number };
      return id;
    };
    return Promise.all(Array.from({ length: LINKS }, (_, link) => make(link)));
  }

  async #write(writer: number): Promise<void> {
    const replica = this.#replicas[Math.floor(this.#random() * 2)] as Replica;
    const link = Math.floor(this.#random() * LINKS);
    const target = `https://example.com/${link}/${writer}-${this.#written.size}`;
    const isWaiting = this.#random() < 0.3;
    if (replica.isDead) return;
    const entry: { sentMs: number; toldMs?: number; isHeard: boolean } = { sentMs: this.#time.nowMs, isHeard: false };
    this.#written.set(target, entry);
    const work = (async () => {
      const { core, service } = replica.deadletter;
      const command = { type: "link.update", id: this.#ids[link] as number, original_url: target } as const;
      const { version } = (await applyOne(core, SELF, command)) as { version: number };
      const isHeard = isWaiting && (await this.#untilHeard(service, command.id, version));
      if (replica.isDead) return;
      Object.assign(entry, { toldMs: this.#time.nowMs, isHeard });
      this.#note(
        `replica ${replica.number} changed link ${link} to version ${version}${isHeard ? ", heard by all" : ""}`,
      );
    })();
    await this.#orDead(replica, work);
  }

  async #untilHeard({ core, presence }: Deadletter["service"], id: number, version: number): Promise<boolean> {
    for (let tries = 0; tries < 40; tries++) {
      const place = await placeBehind(core, { subject_type: "url", subject_id: id, version });
      const { missing } = place ? await presence.look(place) : { missing: [{ state: "behind" }] };
      if (!missing.some(({ state }) => state === "behind")) return missing.length === 0;
      await sleep(core.clock, LIMITS.heardPollMs);
    }
    return false;
  }

  async #read(number: number): Promise<void> {
    const replica = this.#replicas[number] as Replica;
    const link = Math.floor(this.#random() * LINKS);
    if (replica.isDead) return;
    const sentMs = this.#time.nowMs;
    const { hasLooked } = replica;
    const { resolver } = replica.deadletter.redirects;
    const work = (async () => {
      const code = `link-${link}`;
      const found = resolver.resolveNow(code, replica.clock.now()) ?? (await resolver.resolve(code));
      if (replica.isDead) return;
      const { location } = found as Found;
      const answeredMs = this.#time.nowMs;
      this.#reads.push({ link: `${link}`, replica: number, sentMs, answeredMs, target: location, hasLooked });
      this.#note(`replica ${number} redirects link ${link} to ${location}`);
    })();
    await this.#orDead(replica, work);
  }

  /** What a process was doing when it was killed never ends; the client is cut off. */
  async #orDead(replica: Replica, work: Promise<void>): Promise<void> {
    let isOver = false;
    work
      .catch(() => undefined)
      .finally(() => {
        isOver = true;
      });
    while (!isOver && !replica.isDead) await sleep(this.#own, 1);
  }

  async #disturb(): Promise<void> {
    const number = Math.floor(this.#random() * 2);
    const replica = this.#replicas[number] as Replica;
    const [what, lengthMs] = [this.#random(), this.#random() * 3_000];
    if (what < 0.4) {
      const fromMs = this.#time.nowMs;
      for (const each of this.#replicas) each.silentUntilMs = fromMs + lengthMs;
      this.#note(`the store is silent for ${lengthMs.toFixed(0)} ms`);
      await sleep(this.#own, lengthMs);
      // A look that was given up is tried again after this long.
      this.#outages.push({ fromMs, untilMs: this.#time.nowMs + LIMITS.feedLookMs * 2 });
      return;
    }
    if (what < 0.7) {
      this.#note(`replica ${number} is killed`);
      replica.isDead = true;
      replica.clock.kill();
    } else {
      this.#note(`replica ${number} is stopped`);
      replica.isDead = true;
      await replica.deadletter.close();
    }
    await sleep(this.#own, lengthMs);
    this.#replicas[number] = await this.#start(number);
  }

  /** What the links' own histories say in the end, and all that does not agree with it. */
  async #conclude(): Promise<string[]> {
    await sleep(this.#own, 5_000);
    const alive = this.#replicas.find(({ isDead }) => !isDead) as Replica;
    const { core } = alive.deadletter;
    const written: Written[] = [];
    for (const [link, id] of this.#ids.entries()) {
      const page = { afterVersion: 0, limit: 10_000, offset: 0 };
      for (const { version, details } of (await readLinkHistory(core, SELF, `${id}`, page)).items) {
        const target = (details.changes as { original_url: { to: string } }).original_url.to;
        const { sentMs = Infinity, toldMs, isHeard = false } = this.#written.get(target) ?? {};
        written.push({ link: `${link}`, version, target, sentMs, toldMs, isHeard });
      }
    }
    const there = new Set(written.map(({ target }) => target));
    const lost = [...this.#written].filter(([target, { toldMs }]) => toldMs !== undefined && !there.has(target));
    const falsehoods: Finding[] = [];
    await verify(alive.store, core.logKey, { onFinding: (finding) => falsehoods.push(finding) });
    return [
      ...judge(written, this.#reads, { boundMs: STALE_MAX_MS, outages: this.#outages }),
      ...lost.map(([target]) => `${target} was acknowledged and is in no history`),
      ...falsehoods.map(({ subject, detail }) => `${subject} ${detail}`),
    ];
  }
}
