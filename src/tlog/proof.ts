// The proof that one event is in the log, as a file anybody can check offline: C2SP tlog-proof. Pure.

import { bytesOfBase64 } from "./base64.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { HASH_BYTES, isIncluded, type Sha256 } from "./merkle.ts";
import { CheckpointError, type VerifierKey } from "./note.ts";

const HEADER = "c2sp.org/tlog-proof@v1";

export function encodeProof(index: number, path: readonly Uint8Array[], checkpoint: string): string {
  const hashes = path.map((hash) => `${hash.toBase64()}\n`).join("");
  return `${HEADER}\nindex ${index}\n${hashes}\n${checkpoint}`;
}

/** The leaf's index. Throws CheckpointError unless the proof shows the leaf in a log signed with `key`. */
export function checkProof(
  proof: string,
  leafHash: Uint8Array,
  { key, sha256 }: { readonly key: VerifierKey; readonly sha256: Sha256 },
): number {
  const split = proof.indexOf("\n\n");
  const [header, ...lines] = proof.slice(0, split).split("\n");
  const [indexLine = "", ...path] = lines[0]?.startsWith("extra ") ? lines.slice(1) : lines;
  const index = Number(/^index (0|[1-9]\d{0,15})$/.exec(indexLine)?.[1] ?? Number.NaN);
  const hashes = path.map(bytesOfBase64).filter((hash) => hash?.length === HASH_BYTES) as Uint8Array[];
  if (split === -1 || header !== HEADER || !Number.isSafeInteger(index) || hashes.length < path.length)
    throw new CheckpointError("this is not a tlog-proof");
  const checkpoint = openCheckpoint(proof.slice(split + 2), key);
  if (!isIncluded(sha256, { hash: leafHash, index }, checkpoint, hashes))
    throw new CheckpointError(`the proof does not lead from the leaf to the root at size ${checkpoint.size}`);
  return index;
}
