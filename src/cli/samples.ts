// Samples of Prometheus's text format (exposition format 0.0.4), as far as this program reads its own.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function readSamples(text: string): readonly Sample[] {
  return text.split("\n").flatMap((line) => readSample(line));
}

/** None for a comment, or what is no sample. */
function readSample(line: string): Sample[] {
  const [, name, labels = "", value = ""] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
  if (name === undefined) return [];
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
    ([, label = "", text = ""]) =>
      [label, text.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char))] as const,
  );
  return [
    { name, labels: Object.fromEntries(pairs), value: value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value) },
  ];
}

/** The sum of the samples of a name that have these labels; undefined where there is none. */
export function sampleSum(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}
