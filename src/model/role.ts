// What a key lets its holder do. Pure.

/** Each role may do all that the ones before it may. */
export const ROLES = ["reader", "creator", "editor", "admin"] as const;
export type Role = (typeof ROLES)[number];

export function isAtLeast(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
