// Judges what readers of links were told, by when writers were told that they had changed them. Times are milliseconds of one clock.

/** One version of one link, as its own history has it in the end. */
export interface Written {
  readonly link: string;
  readonly version: number;
  readonly target: string;
  /** When its change was asked for. */
  readonly sentMs: number;
  /** When its writer was told that it was made; undefined where nobody was, although it was. */
  readonly toldMs: number | undefined;
  /** Whether the writer was told that every replica had heard of it. */
  readonly isHeard: boolean;
}

export interface Read {
  readonly link: string;
  readonly replica: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly target: string;
  /** False for a process that has not looked at the log since it was started. */
  readonly hasLooked?: boolean;
}

export interface Outage {
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * What is wrong with the reads: each must be of a version that exists, was asked for before the answer, and when the read began had
 * not been superseded for longer than `boundMs`, unless an outage lies between; nor at all by a change that all had heard of.
 */
export function judge(
  written: readonly Written[],
  reads: readonly Read[],
  { boundMs, outages }: { readonly boundMs: number; readonly outages: readonly Outage[] },
): string[] {
  const byLink = Map.groupBy(written, ({ link }) => link);
  return reads.flatMap((read) => {
    const versions = byLink.get(read.link) ?? [];
    const seen = versions.find(({ target }) => target === read.target);
    const where = `${read.link} on replica ${read.replica} at ${read.sentMs.toFixed(0)}`;
    if (!seen) return [`${where} led to ${read.target}, which it never did`];
    if (seen.sentMs > read.answeredMs) return [`${where} was of version ${seen.version} before that was asked for`];
    const later = versions.filter(
      ({ version, toldMs }) => version > seen.version && (toldMs ?? Infinity) < read.sentMs,
    );
    // One that was stopped is not waited for; started in an outage, or asked as one begins before it could look, it serves what it
    // knew (docs/operations.md).
    const isKnown = (each: Written) => read.hasLooked === false && isAcross(outages, each, { sentMs: read.answeredMs });
    const heard = later.find((each) => each.isHeard && !isKnown(each));
    if (heard)
      return [`${where} was of version ${seen.version}, ${age(heard, read)} after all had heard of ${heard.version}`];
    const old = later.find((each) => isLate(each, read, boundMs) && !isAcross(outages, each, read) && !isKnown(each));
    return old ? [`${where} was of version ${seen.version}, ${age(old, read)} after ${old.version} was made`] : [];
  });
}

function isLate({ toldMs = Infinity }: Written, { sentMs }: Read, boundMs: number): boolean {
  return sentMs - toldMs > boundMs;
}

function isAcross(
  outages: readonly Outage[],
  { toldMs = Infinity }: Written,
  { sentMs }: Pick<Read, "sentMs">,
): boolean {
  return outages.some(({ fromMs, untilMs }) => fromMs < sentMs && untilMs > toldMs);
}

function age({ toldMs = Infinity }: Written, { sentMs }: Read): string {
  return `${(sentMs - toldMs).toFixed(0)} ms`;
}
