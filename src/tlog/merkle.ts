// The Merkle tree of RFC 6962: node hashes, the growing right edge of a tree, inclusion and consistency proofs.
// Pure: SHA-256 is given, so that it also runs in a browser.
// Sizes and indexes are safe integers (below 2^53), so they are halved by division and never by 32-bit operators.

/** SHA-256 (FIPS 180-4) of some bytes: 32 of them. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const HASH_BYTES = 32;

/** The root of a tree without leaves: SHA-256("") (RFC 6962 section 2.1). */
export const EMPTY_ROOT: Uint8Array = Uint8Array.fromHex(
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
);

/** A complete subtree: the leaves `index * 2^level` up to `(index + 1) * 2^level`. Level 0 is a leaf's hash. */
export interface Node {
  readonly level: number;
  readonly index: number;
}

/** The leaves from `start` up to but not including `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** SHA-256(0x01 || left || right) (RFC 6962 section 2.1). */
export function hashNode(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + 2 * HASH_BYTES);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + HASH_BYTES);
  return sha256(input);
}

/** The complete subtrees of a span, left to right, largest first. The span must be one that RFC 6962 splits a tree into. */
export function nodesOf({ start, end }: Span): Node[] {
  const nodes: Node[] = [];
  for (let at = start; at < end; ) {
    const level = Math.floor(Math.log2(end - at));
    const width = 2 ** level;
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/** The hash of a span from those of its subtrees, in the order of nodesOf(); none of them make the empty tree. */
export function foldNodes(sha256: Sha256, hashes: readonly Uint8Array[]): Uint8Array {
  const [last = EMPTY_ROOT, ...others] = [...hashes].reverse();
  return others.reduce((right, left) => hashNode(sha256, left, right), last);
}

/** The spans whose hashes prove leaf `index` in a tree of `size`, from the leaf up: PATH (RFC 6962 section 2.1.1). */
export function inclusionSpans(index: number, size: number): Span[] {
  const spans: Span[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      spans.push({ start: middle, end });
      end = middle;
    } else {
      spans.push({ start, end: middle });
      start = middle;
    }
  }
  return spans.reverse();
}

/** The spans whose hashes prove that a tree of size `to` extends one of size `from`: PROOF (RFC 6962 section 2.1.2). */
export function consistencySpans(from: number, to: number): Span[] {
  if (from === 0 || from === to) return [];
  const spans: Span[] = [];
  let [start, end] = [0, to];
  while (end !== from) {
    const middle = start + splitOf(end - start);
    if (from <= middle) {
      spans.push({ start: middle, end });
      end = middle;
    } else {
      spans.push({ start, end: middle });
      start = middle;
    }
  }
  // Where the old tree is itself a complete subtree of the new one, who checks the proof has its root already.
  if (start !== 0) spans.push({ start, end });
  return spans.reverse();
}

/** RFC 9162 section 2.1.3.2. */
export function isIncluded(
  sha256: Sha256,
  leaf: { readonly hash: Uint8Array; readonly index: number },
  tree: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (leaf.index < 0 || leaf.index >= tree.size) return false;
  let [at, last] = [leaf.index, tree.size - 1];
  let hash = leaf.hash;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = hashNode(sha256, sibling, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      hash = hashNode(sha256, hash, sibling);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && isSameHash(hash, tree.root);
}

/** RFC 9162 section 2.1.4.2. Every tree extends the empty one. */
export function isConsistent(
  sha256: Sha256,
  from: { readonly size: number; readonly root: Uint8Array },
  to: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (from.size > to.size) return false;
  if (from.size === to.size) return proof.length === 0 && isSameHash(from.root, to.root);
  if (from.size === 0) return proof.length === 0 && isSameHash(from.root, EMPTY_ROOT);
  const path = Number.isInteger(Math.log2(from.size)) ? [from.root, ...proof] : [...proof];
  let [at, last] = [from.size - 1, to.size - 1];
  while (at % 2 === 1) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  const first = path[0];
  if (first === undefined) return false;
  let [oldHash, newHash] = [first, first];
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      oldHash = hashNode(sha256, sibling, oldHash);
      newHash = hashNode(sha256, sibling, newHash);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      newHash = hashNode(sha256, newHash, sibling);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && isSameHash(oldHash, from.root) && isSameHash(newHash, to.root);
}

/** The right edge of a tree: all that is needed to append to it and to know its root. */
export class Frontier {
  readonly #sha256: Sha256;
  #size: number;
  /** Hashes of nodesOf({ start: 0, end: size }). */
  readonly #peaks: Uint8Array[];

  constructor(sha256: Sha256, size = 0, peaks: readonly Uint8Array[] = []) {
    this.#sha256 = sha256;
    this.#size = size;
    this.#peaks = [...peaks];
  }

  get size(): number {
    return this.#size;
  }

  get root(): Uint8Array {
    return foldNodes(this.#sha256, this.#peaks);
  }

  copy(): Frontier {
    return new Frontier(this.#sha256, this.#size, this.#peaks);
  }

  /** Appends a leaf; `onSubtree` is told of each subtree that it completes, the leaf itself excepted. */
  append(leafHash: Uint8Array, onSubtree?: (node: Node, hash: Uint8Array) => void): void {
    let hash = leafHash;
    let index = this.#size;
    for (let level = 1; index % 2 === 1; level++) {
      hash = hashNode(this.#sha256, this.#peaks.pop() ?? EMPTY_ROOT, hash);
      index = (index - 1) / 2;
      onSubtree?.({ level, index }, hash);
    }
    this.#peaks.push(hash);
    this.#size += 1;
  }
}

/** Both are public: not in constant time. */
export function isSameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The largest power of two below `size`, which must be at least 2. */
function splitOf(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1));
}
