// Copies a log into a folder that any web server can host and any tlog client can read, and reads such a folder. What is
// fetched is held against the checkpoint's signature and the tree before the checkpoint is put in place, last.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { badRequest, messageOf } from "../errors.ts";
import { sha256 } from "../runtime/sha256.ts";
import { type Checkpoint, openCheckpoint } from "../tlog/checkpoint.ts";
import { HASH_BYTES, isConsistent, isSameHash } from "../tlog/merkle.ts";
import { CheckpointError, type VerifierKey } from "../tlog/note.ts";
import {
  bundlesOf,
  decodeBundle,
  proveConsistency,
  rootAt,
  type Tile,
  type TileReader,
  tilePath,
  tilesOf,
} from "../tlog/tiles.ts";
import { hashLeaf } from "./event.ts";

export interface ExportOptions {
  /** Fetches a path below the log's address, such as `checkpoint` or `tile/0/000`. */
  readonly fetch: (path: string) => Promise<Uint8Array>;
  readonly onProgress?: (done: number, total: number) => void;
}

const AT_ONCE = 8;
const START_ANEW =
  "if its rollback was accepted, export into a new folder and keep this one: it alone has what was lost";

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
      `the log has ${checkpoint.size} entries, but had ${old.size} when it was exported before: ${START_ANEW}`,
    );
  const tiles: Tile[] = [...tilesOf(checkpoint.size), ...bundlesOf(checkpoint.size)];
  const missing = tiles.filter((tile) => !existsSync(join(folder, tilePath(tile))));
  const fetched = [...missing];
  let done = tiles.length - missing.length;
  const fetchNext = async () => {
    for (let tile = missing.pop(); tile; tile = missing.pop()) {
      const bytes = await options.fetch(tilePath(tile));
      checkWidth(tile, bytes);
      writeWhole(join(folder, tilePath(tile)), bytes);
      done += 1;
      options.onProgress?.(done, tiles.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, fetchNext));
  try {
    await checkFetched(folder, fetched, checkpoint, old);
  } catch (error) {
    // What does not belong to this log must not be taken for it the next time.
    for (const tile of fetched) rmSync(join(folder, tilePath(tile)), { force: true });
    throw error;
  }
  writeWhole(place, Buffer.from(note));
  return checkpoint;
}

async function checkFetched(
  folder: string,
  fetched: readonly Tile[],
  checkpoint: Checkpoint,
  old: Checkpoint | undefined,
): Promise<void> {
  const read = exportedTiles(folder);
  if (!isSameHash(await rootAt(sha256, read, checkpoint.size), checkpoint.root))
    throw new CheckpointError(`the tiles of ${checkpoint.size} entries do not have the root that was signed`);
  // The proof's hashes are of the new tree and must make both roots: the folder's own older tiles would prove nothing.
  if (old && !isConsistent(sha256, old, checkpoint, await proveConsistency(sha256, read, old.size, checkpoint.size)))
    throw new CheckpointError(
      `the log does not extend the ${old.size} entries that were exported before: it was forked; ${START_ANEW}`,
    );
  for (const bundle of fetched.filter(({ level }) => level === "entries")) {
    const hashes = readTileFile(folder, { ...bundle, level: 0 });
    const made = Buffer.concat(decodeBundle(readTileFile(folder, bundle)).map(hashLeaf));
    if (Buffer.compare(hashes, made) !== 0)
      throw new CheckpointError(`${tilePath(bundle)} does not hold the entries of the tree`);
  }
}

/** Throws CheckpointError where the bytes cannot be that tile. */
function checkWidth(tile: Tile, bytes: Uint8Array): void {
  const width = tile.level === "entries" ? decodeBundle(bytes).length : bytes.length / HASH_BYTES;
  if (width !== tile.width) throw new CheckpointError(`${tilePath(tile)} holds ${width} hashes or entries`);
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
  try {
    mkdirSync(dirname(path), { recursive: true });
    const draft = `${path}.part`;
    writeFileSync(draft, bytes);
    renameSync(draft, path);
  } catch (error) {
    throw badRequest(`cannot write ${path}: ${messageOf(error)}`, "choose another folder");
  }
}
