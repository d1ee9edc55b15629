// The tree cut into tiles of 256 hashes, and entries into bundles, as C2SP tlog-tiles serves them.
// Pure: reading and hashing are given.

import {
  consistencySpans,
  Frontier,
  foldNodes,
  HASH_BYTES,
  hashNode,
  inclusionSpans,
  type Node,
  nodesOf,
  type Sha256,
  type Span,
} from "./merkle.ts";

/** How many levels of the tree a tile spans, and so how many hashes a full one holds. */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 2 ** TILE_HEIGHT;

const MAX_ENTRY_BYTES = 0xffff;

export interface Tile {
  /** The tile's level: its hashes are the tree's nodes at `8 * level`. Entries are bundled as level 0 is cut. */
  readonly level: number | "entries";
  readonly index: number;
  /** How many hashes or entries: 1 to 256. */
  readonly width: number;
}

/** Reads a tile's hashes, one after the other. Rejects where it is not there. */
export type TileReader = (tile: Tile & { readonly level: number }) => PromiseLike<Uint8Array>;

/** `tile/<L>/<N>[.p/<W>]` (C2SP tlog-tiles). */
export function tilePath({ level, index, width }: Tile): string {
  const groups =
    String(index)
      .padStart(Math.ceil(String(index).length / 3) * 3, "0")
      .match(/\d{3}/g) ?? [];
  const name = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join("/");
  return `tile/${level}/${name}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** Undefined unless `path` is the one canonical name of a tile. */
export function parseTilePath(path: string): Tile | undefined {
  const match =
    /^tile\/(entries|[0-9]|[1-5][0-9]|6[0-3])\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d?|1\d\d|2[0-4]\d|25[0-5]))?$/.exec(
      path,
    );
  if (!match) return undefined;
  const [, level = "", name = "", width] = match;
  const tile: Tile = {
    level: level === "entries" ? level : Number(level),
    index: Number(name.replace(/[x/]/g, "")),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  return tilePath(tile) === path ? tile : undefined;
}

/** Every hash tile of a tree of `size`, full ones before the partial one, level by level. */
export function* tilesOf(size: number): Generator<Tile & { readonly level: number }> {
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / TILE_WIDTH)) {
    for (const { index, width } of cut(hashes)) yield { level, index, width };
  }
}

/** Every entry bundle of a tree of `size`. */
export function* bundlesOf(size: number): Generator<Tile> {
  for (const { index, width } of cut(size)) yield { level: "entries", index, width };
}

/** How many hashes the tree of `size` has at a tile level. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** Big-endian uint16 length before each entry (C2SP tlog-tiles). Throws RangeError for an entry past 65,535 bytes. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bundle = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  const view = new DataView(bundle.buffer);
  let at = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) throw new RangeError(`an entry has ${entry.length} bytes`);
    view.setUint16(at, entry.length);
    bundle.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bundle;
}

/** Throws RangeError where the bundle ends inside an entry. */
export function decodeBundle(bundle: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 > bundle.length ? Number.POSITIVE_INFINITY : at + 2 + view.getUint16(at);
    if (end > bundle.length) throw new RangeError("the bundle ends inside an entry");
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** From the leaf's sibling up. */
export function proveInclusion(sha256: Sha256, read: TileReader, index: number, size: number): Promise<Uint8Array[]> {
  return readSpans(sha256, read, inclusionSpans(index, size), size);
}

export function proveConsistency(sha256: Sha256, read: TileReader, from: number, to: number): Promise<Uint8Array[]> {
  return readSpans(sha256, read, consistencySpans(from, to), to);
}

export async function rootAt(sha256: Sha256, read: TileReader, size: number): Promise<Uint8Array> {
  return (await frontierAt(sha256, read, size)).root;
}

export async function frontierAt(sha256: Sha256, read: TileReader, size: number): Promise<Frontier> {
  return new Frontier(sha256, size, await readNodes(sha256, read, nodesOf({ start: 0, end: size }), size));
}

async function readSpans(
  sha256: Sha256,
  read: TileReader,
  spans: readonly Span[],
  size: number,
): Promise<Uint8Array[]> {
  const nodes = spans.map(nodesOf);
  const hashes = await readNodes(sha256, read, nodes.flat(), size);
  let at = 0;
  return nodes.map(({ length }) => {
    at += length;
    return foldNodes(sha256, hashes.slice(at - length, at));
  });
}

/** Reads each tile once, however many of the nodes lie in it. */
async function readNodes(
  sha256: Sha256,
  read: TileReader,
  nodes: readonly Node[],
  size: number,
): Promise<Uint8Array[]> {
  const tiles = new Map<string, PromiseLike<Uint8Array>>();
  return Promise.all(
    nodes.map(async (node) => {
      const tile = tileHolding(node, size);
      const path = tilePath(tile);
      const reading = tiles.get(path) ?? read(tile);
      tiles.set(path, reading);
      return nodeIn(sha256, await reading, node);
    }),
  );
}

function tileHolding({ level, index }: Node, size: number): Tile & { readonly level: number } {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const first = index * 2 ** (level - tileLevel * TILE_HEIGHT);
  const tileIndex = Math.floor(first / TILE_WIDTH);
  const width = Math.min(TILE_WIDTH, hashesAt(tileLevel, size) - tileIndex * TILE_WIDTH);
  return { level: tileLevel, index: tileIndex, width };
}

/** A node's hash, built from those of its tile that lie below it. */
function nodeIn(sha256: Sha256, tile: Uint8Array, { level, index }: Node): Uint8Array {
  const count = 2 ** (level % TILE_HEIGHT);
  const first = (index * count) % TILE_WIDTH;
  let hashes = Array.from({ length: count }, (_, at) => hashIn(tile, first + at));
  while (hashes.length > 1) {
    hashes = Array.from({ length: hashes.length / 2 }, (_, at) =>
      hashNode(sha256, hashes[2 * at] as Uint8Array, hashes[2 * at + 1] as Uint8Array),
    );
  }
  return hashes[0] as Uint8Array;
}

function hashIn(tile: Uint8Array, at: number): Uint8Array {
  if ((at + 1) * HASH_BYTES > tile.length) throw new RangeError("the tile is narrower than the tree says");
  return tile.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
}

function* cut(hashes: number): Generator<{ index: number; width: number }> {
  const full = Math.floor(hashes / TILE_WIDTH);
  for (let index = 0; index < full; index++) yield { index, width: TILE_WIDTH };
  if (hashes % TILE_WIDTH > 0) yield { index: full, width: hashes % TILE_WIDTH };
}
