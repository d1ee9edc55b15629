// Links by name (a code, with its domain where that is not the default one) in flat memory: a million of them cost some 100 bytes
// each and the garbage collector nothing, where objects in a Map cost 300 and stop the redirects while they are walked
// (bench/results). It grows and never shrinks: who uses it drops it as a whole. No stranger can choose names that make it slow:
// places come from a keyed hash, and a shard in which a name is far from its place all the same draws a key of its own and is laid
// out anew.

import { LIMITS } from "../limits.ts";
import { type CachedLink, optionsAt, RECORD, writeOptions } from "./cached-link.ts";
import { drawHashKey, type HashKey, keyedHash } from "./keyed-hash.ts";

const {
  id: ID_AT,
  expiry: EXPIRY_AT,
  version: VERSION_AT,
  nameLength: NAME_LENGTH_AT,
  locationLength: LOCATION_LENGTH_AT,
  cached: CACHED_AT,
  outcome: OUTCOME_AT,
  options: OPTIONS_AT,
  text: TEXT_AT,
} = RECORD;
const MAX_VERSION = 2 ** 32 - 1;
const [DEAD, FOUND, INACTIVE] = [0, 1, 2];
/** Records begin at multiples of this, so that an address of 32 bits reaches 32 GiB. */
const UNIT = 8;
const CHUNK_UNITS = 2 ** 17;
/** The longest record must fit a chunk: a name has at most LIMITS.cachedNameChars, a target at most 65,535. */
const CHUNK_BYTES = CHUNK_UNITS * UNIT;
/** What finding a record costs on the average, beside the record. */
const PLACE_BYTES = 16;
/** Each grows by itself, so that no growth takes long: some 2,000 links each where a generation holds 500,000. */
const SHARD_BITS = 8;
const FIRST_PLACES = 16;
/** Fuller tables have longer probes: at 0.6 one in some 10^12 is longer than LIMITS.linkProbes. */
const MOST_USED = 0.6;

/** What a link is cached under: its code, on a domain of its own with that before it; no code has a slash. */
export function cachedName(code: string, domain?: string): string {
  return domain === undefined ? code : `${domain}/${code}`;
}

interface Shard {
  /** Pairs of address + 1 (0 for a free place) and hash. */
  places: Uint32Array;
  used: number;
  /** Its own, once a name in it was too far from its place; until then the table's. */
  key: HashKey | undefined;
}

export interface LinkTableOptions {
  readonly drawKey?: () => HashKey;
  /** Told of each shard that was laid out anew because a name was too far from its place. */
  readonly onRekey?: () => void;
}

export class LinkTable {
  readonly #chunks: Buffer[] = [];
  readonly #views: DataView[] = [];
  readonly #shards: Shard[] = Array.from({ length: 2 ** SHARD_BITS }, () => ({
    places: new Uint32Array(0),
    used: 0,
    key: undefined,
  }));
  readonly #drawKey: () => HashKey;
  readonly #onRekey: () => void;
  readonly #key: HashKey;
  /** Address of the next record, in units. */
  #end = 0;
  #size = 0;
  #bytes = 0;

  constructor({ drawKey = drawHashKey, onRekey = () => {} }: LinkTableOptions = {}) {
    this.#drawKey = drawKey;
    this.#onRekey = onRekey;
    this.#key = drawKey();
  }

  /** What setting a link will add to `bytes`. */
  static costOf(name: string, { location }: CachedLink): number {
    return unitsOf(name.length, location.length) * UNIT + PLACE_BYTES;
  }

  get size(): number {
    return this.#size;
  }

  /** All that was ever set: what is deleted keeps its place. */
  get bytes(): number {
    return this.#bytes;
  }

  get(name: string): CachedLink | undefined {
    const address = this.#find(name);
    return address === undefined ? undefined : this.#read(address);
  }

  /** The name, of characters up to U+00FF, must not be in the table. */
  set(name: string, link: CachedLink): void {
    const tableHash = keyedHash(this.#key, name);
    const shard = this.#shards[tableHash >>> (32 - SHARD_BITS)] as Shard;
    if (shard.used + 1 > (shard.places.length / 2) * MOST_USED) this.#layOut(shard, shard.places.length * 2);
    const address = this.#write(name, link);
    const hash = shard.key === undefined ? tableHash : keyedHash(shard.key, name);
    if (occupy(shard, hash, address) > LIMITS.linkProbes) this.#rekey(shard);
    this.#size += 1;
    this.#bytes += LinkTable.costOf(name, link);
  }

  delete(name: string): boolean {
    const address = this.#find(name);
    if (address === undefined) return false;
    this.#chunk(address).writeUInt8(DEAD, inChunk(address) + OUTCOME_AT);
    this.#size -= 1;
    return true;
  }

  /** In the order in which they were set. */
  *entries(): Generator<[string, CachedLink]> {
    for (let address = 0; address < this.#end; ) {
      const chunk = this.#chunk(address);
      const at = inChunk(address);
      const nameLength = at + TEXT_AT <= CHUNK_BYTES ? chunk.readUInt16LE(at + NAME_LENGTH_AT) : 0;
      if (nameLength === 0) {
        // The rest of a chunk that the next record did not fit.
        address = (Math.floor(address / CHUNK_UNITS) + 1) * CHUNK_UNITS;
        continue;
      }
      const name = chunk.toString("latin1", at + TEXT_AT, at + TEXT_AT + nameLength);
      if (chunk.readUInt8(at + OUTCOME_AT) !== DEAD) yield [name, this.#read(address)];
      address += unitsOf(nameLength, chunk.readUInt16LE(at + LOCATION_LENGTH_AT));
    }
  }

  /** How many places the furthest of all names is from its own: what a lookup costs at the most. */
  get longestProbe(): number {
    return this.#shards.reduce((longest, shard) => Math.max(longest, longestProbeIn(shard)), 0);
  }

  #find(name: string): number | undefined {
    // What cannot be there is not worth the hashing, however long it is.
    if (this.#size === 0 || name.length > LIMITS.cachedNameChars) return undefined;
    const tableHash = keyedHash(this.#key, name);
    const { places, key } = this.#shards[tableHash >>> (32 - SHARD_BITS)] as Shard;
    const mask = places.length / 2 - 1;
    if (mask < 0) return undefined;
    const hash = key === undefined ? tableHash : keyedHash(key, name);
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const address = (places[2 * place] as number) - 1;
      if (address === -1) return undefined;
      if (places[2 * place + 1] === hash && this.#isOf(address, name)) return address;
    }
  }

  /** Whether the record is alive and has this name. */
  #isOf(address: number, name: string): boolean {
    const chunk = this.#chunk(address);
    const at = inChunk(address);
    if (chunk[at + OUTCOME_AT] === DEAD || nameLengthAt(chunk, at) !== name.length) return false;
    for (let index = 0; index < name.length; index++)
      if (chunk[at + TEXT_AT + index] !== name.charCodeAt(index)) return false;
    return true;
  }

  #read(address: number): CachedLink {
    const chunk = this.#chunk(address);
    const view = this.#views[Math.floor(address / CHUNK_UNITS)] as DataView;
    const at = inChunk(address);
    const expiry = view.getFloat64(at + EXPIRY_AT, true);
    const textAt = at + TEXT_AT + nameLengthAt(chunk, at);
    return {
      outcome: chunk[at + OUTCOME_AT] === FOUND ? "found" : "inactive",
      urlId: view.getFloat64(at + ID_AT, true),
      expiresAtMs: Number.isNaN(expiry) ? null : expiry,
      location: chunk.toString("latin1", textAt, textAt + view.getUint16(at + LOCATION_LENGTH_AT, true)),
      version: view.getUint32(at + VERSION_AT, true),
      cachedAtMs: view.getUint32(at + CACHED_AT, true) * 1000,
      options: chunk[at + OPTIONS_AT] === 0 ? undefined : optionsAt(chunk, view, at),
    };
  }

  #write(name: string, link: CachedLink): number {
    const { outcome, urlId, expiresAtMs, location, version, cachedAtMs, options } = link;
    const units = unitsOf(name.length, location.length);
    if (inChunk(this.#end) + units * UNIT > CHUNK_BYTES || this.#end === this.#chunks.length * CHUNK_UNITS) {
      this.#end = this.#chunks.length * CHUNK_UNITS;
      const chunk = Buffer.alloc(CHUNK_BYTES);
      this.#chunks.push(chunk);
      this.#views.push(new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    }
    const address = this.#end;
    this.#end += units;
    const chunk = this.#chunk(address);
    const at = inChunk(address);
    chunk.writeDoubleLE(urlId, at + ID_AT);
    chunk.writeDoubleLE(expiresAtMs ?? Number.NaN, at + EXPIRY_AT);
    chunk.writeUInt32LE(Math.min(version, MAX_VERSION), at + VERSION_AT);
    chunk.writeUInt8(outcome === "found" ? FOUND : INACTIVE, at + OUTCOME_AT);
    chunk.writeUInt16LE(name.length, at + NAME_LENGTH_AT);
    chunk.writeUInt16LE(location.length, at + LOCATION_LENGTH_AT);
    chunk.writeUInt32LE(Math.floor(cachedAtMs / 1000), at + CACHED_AT);
    if (options !== undefined) writeOptions(chunk, at, options);
    chunk.write(name, at + TEXT_AT, "latin1");
    chunk.write(location, at + TEXT_AT + name.length, "latin1");
    return address;
  }

  /** Under another key, so that names that fell together fall apart. */
  #rekey(shard: Shard): void {
    this.#onRekey();
    for (let tries = 0; tries < LIMITS.linkRekeys; tries++) {
      shard.key = this.#drawKey();
      if (this.#layOut(shard, shard.places.length) <= LIMITS.linkProbes) return;
    }
    // Chance alone: more room is the other way to shorter probes.
    this.#layOut(shard, shard.places.length * 2);
  }

  /** Gives the shard so many places (pairs) and its links theirs; the dead are left behind. The longest probe there. */
  #layOut(shard: Shard, length: number): number {
    const before = shard.places;
    shard.places = new Uint32Array(Math.max(2 * FIRST_PLACES, length));
    shard.used = 0;
    let longest = 0;
    for (let at = 0; at < before.length; at += 2) {
      const address = (before[at] as number) - 1;
      if (address === -1 || this.#chunk(address)[inChunk(address) + OUTCOME_AT] === DEAD) continue;
      const hash = shard.key === undefined ? (before[at + 1] as number) : keyedHash(shard.key, this.#nameAt(address));
      longest = Math.max(longest, occupy(shard, hash, address));
    }
    return longest;
  }

  #nameAt(address: number): string {
    const chunk = this.#chunk(address);
    const textAt = inChunk(address) + TEXT_AT;
    return chunk.toString("latin1", textAt, textAt + nameLengthAt(chunk, inChunk(address)));
  }

  #chunk(address: number): Buffer {
    return this.#chunks[Math.floor(address / CHUNK_UNITS)] as Buffer;
  }
}

/** Takes the first free place from the hash's own on; how far that is. */
function occupy(shard: Shard, hash: number, address: number): number {
  const mask = shard.places.length / 2 - 1;
  let place = hash & mask;
  let probes = 0;
  for (; shard.places[2 * place] !== 0; probes++) place = (place + 1) & mask;
  shard.places[2 * place] = address + 1;
  shard.places[2 * place + 1] = hash;
  shard.used += 1;
  return probes;
}

function longestProbeIn({ places }: Shard): number {
  const mask = places.length / 2 - 1;
  let longest = 0;
  for (let place = 0; place <= mask; place++)
    if (places[2 * place] !== 0) longest = Math.max(longest, (place - (places[2 * place + 1] as number)) & mask);
  return longest;
}

/** Two bytes, read one by one: a method call costs more than both. */
function nameLengthAt(chunk: Buffer, at: number): number {
  return (chunk[at + NAME_LENGTH_AT] as number) | ((chunk[at + NAME_LENGTH_AT + 1] as number) << 8);
}

function inChunk(address: number): number {
  return (address % CHUNK_UNITS) * UNIT;
}

function unitsOf(nameLength: number, locationLength: number): number {
  return Math.ceil((TEXT_AT + nameLength + locationLength) / UNIT);
}
