// What must wake somebody up: the closed list of ways in which the log is found false or stuck while the program runs.

export const ALARM_KINDS = [
  /** An event on its way into the log was false and is kept out of it. */
  "quarantined",
  /** An event was in neither queue nor log: somebody removed its queue row. It was queued again. */
  "forgotten",
  /** A queue row names an event that is in the log or in quarantine already: somebody put it there. It is taken away. */
  "stray",
  /** The head of the log is not ours, or does not extend what this process remembers. Nothing is sequenced meanwhile. */
  "refused",
  /** An event that this process committed has not come into the log in time, or is gone. */
  "late",
  /** The embedded store's file is not where it was: what is written to it is lost when it is closed. */
  "lost",
  /** The sequencer failed for another reason and tries again. */
  "failed",
] as const;
export type AlarmKind = (typeof ALARM_KINDS)[number];

export type Alarm = (kind: AlarmKind, message: string, fields?: Readonly<Record<string, unknown>>) => void;
