// Links by code in flat memory: a million of them cost some 80 bytes each and the garbage collector nothing, where objects in
// a Map cost 300 and stop the redirects while they are walked (bench/results). It grows and never shrinks: who uses it drops it
// as a whole.

export interface CachedLink {
  readonly outcome: "found" | "inactive";
  readonly urlId: number;
  readonly expiresAtMs: number | null;
  /** The target as the bytes of a Location header, one character a byte. */
  readonly location: string;
}

/** A record: link id and expiry (float64 each, NaN for none), outcome, length of the code, length of the target, both texts. */
const [ID_AT, EXPIRY_AT, OUTCOME_AT, CODE_LENGTH_AT, LOCATION_LENGTH_AT, TEXT_AT] = [0, 8, 16, 17, 18, 20];
const [DEAD, FOUND, INACTIVE] = [0, 1, 2];
/** Records begin at multiples of this, so that an address of 32 bits reaches 32 GiB. */
const UNIT = 8;
const CHUNK_UNITS = 2 ** 17;
/** The longest record must fit a chunk: a code has at most 64 characters, a target at most 65,535. */
const CHUNK_BYTES = CHUNK_UNITS * UNIT;
/** What finding a record costs on the average, beside the record. */
const PLACE_BYTES = 16;
/** Each grows by itself, so that no growth takes long. */
const SHARD_BITS = 6;
const FIRST_PLACES = 16;
const MOST_USED = 0.7;
/** Chosen anew by each process, so that nobody can send codes that all fall on one place. */
const SEED = crypto.getRandomValues(new Uint32Array(1))[0] as number;

interface Shard {
  /** Pairs of address + 1 (0 for a free place) and hash. */
  places: Uint32Array;
  used: number;
}

export class LinkTable {
  readonly #chunks: Buffer[] = [];
  readonly #views: DataView[] = [];
  readonly #shards: Shard[] = Array.from({ length: 2 ** SHARD_BITS }, () => ({ places: new Uint32Array(0), used: 0 }));
  /** Address of the next record, in units. */
  #end = 0;
  #size = 0;
  #bytes = 0;

  /** What setting a link will add to `bytes`. */
  static costOf(code: string, { location }: CachedLink): number {
    return unitsOf(code.length, location.length) * UNIT + PLACE_BYTES;
  }

  get size(): number {
    return this.#size;
  }

  /** All that was ever set: what is deleted keeps its place. */
  get bytes(): number {
    return this.#bytes;
  }

  get(code: string): CachedLink | undefined {
    const address = this.#find(code);
    return address === undefined ? undefined : this.#read(address);
  }

  /** The code, of characters up to U+00FF, must not be in the table. */
  set(code: string, link: CachedLink): void {
    const hash = hashOf(code);
    const shard = this.#shards[hash >>> (32 - SHARD_BITS)] as Shard;
    if (shard.used + 1 > (shard.places.length / 2) * MOST_USED) this.#grow(shard);
    occupy(shard, hash, this.#write(code, link));
    this.#size += 1;
    this.#bytes += LinkTable.costOf(code, link);
  }

  delete(code: string): boolean {
    const address = this.#find(code);
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
      const codeLength = at + TEXT_AT <= CHUNK_BYTES ? chunk.readUInt8(at + CODE_LENGTH_AT) : 0;
      if (codeLength === 0) {
        // The rest of a chunk that the next record did not fit.
        address = (Math.floor(address / CHUNK_UNITS) + 1) * CHUNK_UNITS;
        continue;
      }
      const code = chunk.toString("latin1", at + TEXT_AT, at + TEXT_AT + codeLength);
      if (chunk.readUInt8(at + OUTCOME_AT) !== DEAD) yield [code, this.#read(address)];
      address += unitsOf(codeLength, chunk.readUInt16LE(at + LOCATION_LENGTH_AT));
    }
  }

  #find(code: string): number | undefined {
    const hash = hashOf(code);
    const { places } = this.#shards[hash >>> (32 - SHARD_BITS)] as Shard;
    const mask = places.length / 2 - 1;
    if (mask < 0) return undefined;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const address = (places[2 * place] as number) - 1;
      if (address === -1) return undefined;
      if (places[2 * place + 1] === hash && this.#isOf(address, code)) return address;
    }
  }

  /** Whether the record is alive and has this code. */
  #isOf(address: number, code: string): boolean {
    const chunk = this.#chunk(address);
    const at = inChunk(address);
    if (chunk[at + OUTCOME_AT] === DEAD || chunk[at + CODE_LENGTH_AT] !== code.length) return false;
    for (let index = 0; index < code.length; index++)
      if (chunk[at + TEXT_AT + index] !== code.charCodeAt(index)) return false;
    return true;
  }

  #read(address: number): CachedLink {
    const chunk = this.#chunk(address);
    const view = this.#views[Math.floor(address / CHUNK_UNITS)] as DataView;
    const at = inChunk(address);
    const expiry = view.getFloat64(at + EXPIRY_AT, true);
    const textAt = at + TEXT_AT + (chunk[at + CODE_LENGTH_AT] as number);
    return {
      outcome: chunk[at + OUTCOME_AT] === FOUND ? "found" : "inactive",
      urlId: view.getFloat64(at + ID_AT, true),
      expiresAtMs: Number.isNaN(expiry) ? null : expiry,
      location: chunk.toString("latin1", textAt, textAt + view.getUint16(at + LOCATION_LENGTH_AT, true)),
    };
  }

  #write(code: string, { outcome, urlId, expiresAtMs, location }: CachedLink): number {
    const units = unitsOf(code.length, location.length);
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
    chunk.writeUInt8(outcome === "found" ? FOUND : INACTIVE, at + OUTCOME_AT);
    chunk.writeUInt8(code.length, at + CODE_LENGTH_AT);
    chunk.writeUInt16LE(location.length, at + LOCATION_LENGTH_AT);
    chunk.write(code, at + TEXT_AT, "latin1");
    chunk.write(location, at + TEXT_AT + code.length, "latin1");
    return address;
  }

  /** Twice the places; the dead are left behind. */
  #grow(shard: Shard): void {
    const before = shard.places;
    shard.places = new Uint32Array(Math.max(2 * FIRST_PLACES, before.length * 2));
    shard.used = 0;
    for (let at = 0; at < before.length; at += 2) {
      const address = (before[at] as number) - 1;
      if (address !== -1 && this.#chunk(address)[inChunk(address) + OUTCOME_AT] !== DEAD)
        occupy(shard, before[at + 1] as number, address);
    }
  }

  #chunk(address: number): Buffer {
    return this.#chunks[Math.floor(address / CHUNK_UNITS)] as Buffer;
  }
}

function occupy(shard: Shard, hash: number, address: number): void {
  const mask = shard.places.length / 2 - 1;
  let place = hash & mask;
  while (shard.places[2 * place] !== 0) place = (place + 1) & mask;
  shard.places[2 * place] = address + 1;
  shard.places[2 * place + 1] = hash;
  shard.used += 1;
}

function inChunk(address: number): number {
  return (address % CHUNK_UNITS) * UNIT;
}

function unitsOf(codeLength: number, locationLength: number): number {
  return Math.ceil((TEXT_AT + codeLength + locationLength) / UNIT);
}

/** FNV-1a with a seed, and a last stirring so that its high bits are as good as its low ones. */
function hashOf(code: string): number {
  let hash = SEED;
  for (let index = 0; index < code.length; index++) hash = Math.imul(hash ^ code.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
