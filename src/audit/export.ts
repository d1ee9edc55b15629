// Copies a log into a folder that any web server can host and any tlog client can read, and reads such a folder. What is
// fetched is held against the checkpoint's signature and the tree before the checkpoint is put in place, last.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Checkpoint, CheckpointError, openCheckpoint } from "./checkpoint.ts";
import type { VerifierKey } from "./log-key.ts";
import { isSameHash } from "./merkle.ts";
import { bundlesOf, rootAt, type Tile, type TileReader, tilePath, tilesOf } from "./tiles.ts";

export interface ExportOptions {
  /** Fetches a path below the log's address, such as `checkpoint` or `tile/0/000`. */
  readonly fetch: (path: string) => Promise<Uint8Array>;
  readonly onProgress?: (done: number, total: number) => void;
}

const AT_ONCE = 8;

/**
 * Fetches what the folder lacks; an interrupted export goes on where it was. Throws CheckpointError where the checkpoint is
 * not signed with `key`, or the log does not extend the checkpoint that the folder has already.
 */
export async function exportLog(folder: string, key: VerifierKey, options: ExportOptions): Promise<Checkpoint> {
  const note = Buffer.from(await options.fetch("checkpoint")).toString();
  const checkpoint = openCheckpoint(note, key);
  const place = join(folder, "checkpoint");
  const old = existsSync(place) ? openCheckpoint(readFileSync(place, "utf8"), key) : undefined;
  if (old && old.size > checkpoint.size)
    throw new CheckpointError(
      `the log has ${checkpoint.size} entries, but had ${old.size} when it was exported before`,
    );
  const tiles: Tile[] = [...tilesOf(checkpoint.size), ...bundlesOf(checkpoint.size)];
  const missing = tiles.filter((tile) => !existsSync(join(folder, tilePath(tile))));
  let done = tiles.length - missing.length;
  const fetchNext = async () => {
    for (let tile = missing.pop(); tile; tile = missing.pop()) {
      writeWhole(join(folder, tilePath(tile)), await options.fetch(tilePath(tile)));
      done += 1;
      options.onProgress?.(done, tiles.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, fetchNext));
  const read = exportedTiles(folder);
  for (const { size, root } of [checkpoint, ...(old ? [old] : [])]) {
    if (!isSameHash(await rootAt(read, size), root))
      throw new CheckpointError(`the tiles of the first ${size} entries do not have the root that was signed`);
  }
  writeWhole(place, Buffer.from(note));
  return checkpoint;
}

/** Rejects with CheckpointError where the folder lacks a tile or holds one of another width. */
export function exportedTiles(folder: string): TileReader {
  return (tile) => Promise.resolve(readTileFile(folder, tile));
}

export function readTileFile(folder: string, tile: Tile): Uint8Array {
  const path = join(folder, tilePath(tile));
  try {
    return readFileSync(path);
  } catch {
    throw new CheckpointError(`${path} is missing`);
  }
}

function writeWhole(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.part`;
  writeFileSync(draft, bytes);
  renameSync(draft, path);
}
