// Checks an exported log with nothing but the verifier key: no database, no server, no secret. Memory grows with the log: 32
// bytes of each entry's hash are kept to check the tiles, and the newest version of each subject.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { subjectOf } from "../model/subjects.ts";
import { sha256 } from "../runtime/sha256.ts";
import { type Checkpoint, openCheckpoint } from "../tlog/checkpoint.ts";
import { Frontier, HASH_BYTES, isSameHash } from "../tlog/merkle.ts";
import { CheckpointError, type VerifierKey } from "../tlog/note.ts";
import { bundlesOf, decodeBundle, TILE_HEIGHT, type Tile, tilesOf } from "../tlog/tiles.ts";
import type { Statement } from "./checkpoint-memory.ts";
import { encodeLeaf, hashLeaf } from "./event.ts";
import { readTileFile } from "./export.ts";
import type { Finding } from "./finding.ts";
import { checkRoots, type SavedCheckpoint, sizesOf } from "./verify-log.ts";

export interface ExportReport {
  readonly isTrue: boolean;
  readonly size: number;
  readonly subjects: number;
  readonly findings: number;
}

export interface VerifyExportOptions {
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress?: (entries: number, total: number) => void;
  readonly saved?: readonly SavedCheckpoint[];
  /** Signed statements that the log went back behind some of them. */
  readonly given?: readonly Statement[];
}

/** Throws CheckpointError where the folder has no checkpoint that is signed with `key`. */
export function verifyExport(folder: string, key: VerifierKey, options: VerifyExportOptions): ExportReport {
  const head = readHead(folder, key);
  const { saved = [], given = [] } = options;
  let findings = 0;
  const report = (finding: Finding) => {
    findings += 1;
    options.onFinding(finding);
  };
  const wanted = new Set([head.size, ...sizesOf({ saved, given })]);
  const frontier = new Frontier(sha256);
  const roots = new Map(wanted.has(0) ? [[0, frontier.root]] : []);
  const hashes = new Map<number, Uint8Array[]>();
  const subjects = new Map<string, { version: number; hash: Uint8Array }>();
  try {
    for (const bundle of bundlesOf(head.size)) {
      const entries = decodeBundle(readTileFile(folder, bundle));
      if (entries.length !== bundle.width)
        throw new CheckpointError(`bundle ${bundle.index} has ${entries.length} entries`);
      for (const leaf of entries) {
        const hash = hashLeaf(leaf);
        for (const detail of checkLeaf(leaf, hash, subjects)) report({ subject: `log entry ${frontier.size}`, detail });
        keep(hashes, 0, hash);
        frontier.append(hash, ({ level }, made) => {
          if (level % TILE_HEIGHT === 0) keep(hashes, level / TILE_HEIGHT, made);
        });
        if (wanted.has(frontier.size)) roots.set(frontier.size, frontier.root);
      }
      options.onProgress?.(frontier.size, head.size);
    }
    for (const tile of tilesOf(head.size)) checkTile(folder, tile, hashes.get(tile.level) ?? [], report);
  } catch (error) {
    if (!(error instanceof CheckpointError) && !(error instanceof RangeError)) throw error;
    report({ subject: "log", detail: error.message });
  }
  checkRoots(head, roots, { saved, given }, report);
  return { isTrue: findings === 0, size: head.size, subjects: subjects.size, findings };
}

function readHead(folder: string, key: VerifierKey): Checkpoint {
  let note: string;
  try {
    note = readFileSync(join(folder, "checkpoint"), "utf8");
  } catch {
    throw new CheckpointError(`${folder} holds no exported log: it has no file "checkpoint"`);
  }
  return openCheckpoint(note, key);
}

function keep(hashes: Map<number, Uint8Array[]>, level: number, hash: Uint8Array): void {
  const known = hashes.get(level);
  if (known) known.push(hash);
  else hashes.set(level, [hash]);
}

function checkTile(
  folder: string,
  tile: Tile & { readonly level: number },
  hashes: readonly Uint8Array[],
  report: (finding: Finding) => void,
): void {
  const bytes = readTileFile(folder, tile);
  const start = tile.index * 256;
  const made = Buffer.concat(hashes.slice(start, start + tile.width));
  if (bytes.length !== tile.width * HASH_BYTES || Buffer.compare(bytes, made) !== 0)
    report({
      subject: "log",
      detail: `tile ${tile.index} of level ${tile.level} does not hold the hashes of its entries`,
    });
}

/** What a leaf says that cannot be: of itself, and of its subject's event before it. */
function checkLeaf(
  leaf: Uint8Array,
  hash: Uint8Array,
  subjects: Map<string, { version: number; hash: Uint8Array }>,
): string[] {
  const said = readLeaf(leaf);
  if (!said) return ["is not an event of deadletter"];
  const { subject, version, previous } = said;
  const before = subjects.get(subject);
  subjects.set(subject, { version, hash });
  if (version !== (before?.version ?? 0) + 1)
    return [`${subject}: version ${version} follows ${before?.version ?? "none"}`];
  const isLinked = before ? previous !== null && isSameHash(previous, before.hash) : previous === null;
  return isLinked ? [] : [`${subject}: version ${version} does not hold the hash of the version before`];
}

/** Undefined unless the bytes are exactly those that this program would write for what they say. */
function readLeaf(leaf: Uint8Array): { subject: string; version: number; previous: Uint8Array | null } | undefined {
  try {
    const said = JSON.parse(Buffer.from(leaf).toString()) as {
      _sd: [string, string];
      at: string;
      op: "created";
      prev: string | null;
      subject: string;
      v: number;
    };
    const [type = "", id = ""] = said.subject.split(":");
    const previous = said.prev === null ? null : new Uint8Array(Buffer.from(said.prev, "base64url"));
    const fields = {
      subjectType: type,
      subjectId: Number(id),
      version: said.v,
      op: said.op,
      atMs: Date.parse(said.at),
      previousHash: previous,
    };
    const isOurs = subjectOf(type) !== undefined && Buffer.compare(encodeLeaf(fields, said._sd), leaf) === 0;
    return isOurs ? { subject: said.subject, version: said.v, previous } : undefined;
  } catch {
    return undefined;
  }
}
