// Times for people: how long ago, or in how long. The exact time stands beside it wherever one thing is shown. Pure.

const STEPS = [
  { ms: 31_557_600_000, unit: "y" },
  { ms: 2_629_800_000, unit: "mo" },
  { ms: 86_400_000, unit: "d" },
  { ms: 3_600_000, unit: "h" },
  { ms: 60_000, unit: "min" },
  { ms: 1_000, unit: "s" },
] as const;

/** `3 min ago`, `in 2 d`, `now`; the text itself where it is no time. */
export function relativeTime(text: string, nowMs: number): string {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return text;
  const distance = duration(Math.abs(nowMs - ms));
  if (distance === undefined) return "now";
  return ms <= nowMs ? `${distance} ago` : `in ${distance}`;
}

/** The largest whole unit; undefined below a second. */
export function duration(ms: number): string | undefined {
  const step = STEPS.find((each) => ms >= each.ms);
  return step && `${Math.floor(ms / step.ms)} ${step.unit}`;
}

/** `2026-11-26T18:00:00.000Z (3 min ago)` */
export function exactAndRelative(text: string, nowMs: number): string {
  return `${text} (${relativeTime(text, nowMs)})`;
}
