// What verification reports.

/** Something false: what it is about (`url:42 (abc123)`, `log`) and what is wrong with it. */
export interface Finding {
  readonly subject: string;
  readonly detail: string;
}

export type Report = (finding: Finding) => void;
