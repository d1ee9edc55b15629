import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { changesBetween } from "../../src/model/changes.ts";
import { checkDeleteReason, checkReason, mayReadActor, showActor } from "../../src/model/event.ts";
import { generateKey, hashKey, isKey, KEY } from "../../src/model/key.ts";
import { LINK } from "../../src/model/link-subject.ts";
import { isAtLeast, ROLES } from "../../src/model/role.ts";
import { withoutHidden } from "../../src/model/subject.ts";
import { formatTime, parseTime } from "../../src/model/time.ts";
import { checkEmail, checkUsername } from "../../src/model/user.ts";

describe("showActor()", () => {
  const actor = { user_id: 1, key_id: 2, via: "http", request_id: null, reason: null, client: "192.0.2.1" };
  const { client, ...without } = actor;

  test("says from where to admins and to whom it was, and to nobody else", () => {
    const shown = { user_id: 1, key_id: 2, via: "http" };
    expect(showActor({ userId: 9, role: "admin" }, actor)).toEqual({ ...shown, client });
    expect(showActor({ userId: 1, role: "reader" }, actor)).toEqual({ ...shown, client });
    expect(showActor({ userId: 9, role: "editor" }, actor)).toEqual(shown);
    expect(Object.keys(showActor({ userId: 9, role: "admin" }, without))).toEqual(["user_id", "key_id", "via"]);
  });

  test("is shown as it was signed only where all of it may be", () => {
    expect(mayReadActor({ userId: 9, role: "editor" }, actor)).toBe(false);
    expect(mayReadActor({ userId: 1, role: "reader" }, actor)).toBe(true);
    expect(mayReadActor({ userId: 9, role: "editor" }, without)).toBe(true);
    expect(mayReadActor({ userId: 9, role: "editor" }, null)).toBe(true);
  });
});

describe("parseTime()", () => {
  test.each([
    ["2027-01-31T12:00:00Z", "2027-01-31T12:00:00.000Z"],
    ["2027-01-31t12:00:00.5z", "2027-01-31T12:00:00.500Z"],
    ["2027-01-31T12:00:00.123456789+02:00", "2027-01-31T10:00:00.123Z"],
    ["1970-01-01T00:00:00-00:30", "1970-01-01T00:30:00.000Z"],
    ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"],
    ["2028-02-29T00:00:00Z", "2028-02-29T00:00:00.000Z"],
  ])("reads %s", (text, expected) => {
    expect(formatTime(parseTime("at", text))).toBe(expected);
  });

  test.each([
    "",
    "now",
    "2027-01-31",
    "2027-01-31 12:00:00",
    "2027-01-31T12:00:00",
    "2027-02-30T00:00:00Z",
    "2027-13-01T00:00:00Z",
    "2027-01-31T24:00:00Z",
    "2027-01-31T12:60:00Z",
    "2027-01-31T23:59:60Z",
    "1969-12-31T23:59:59Z",
    "10000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-01:00",
    "2027-01-31T12:00:00+24:00",
    "0000-00-00T00:00:00Z",
    "2027-02-29T00:00:00Z",
  ])("refuses %p", (text) => {
    expect(() => parseTime("at", text)).toThrow("at:");
  });

  test("reads back what formatTime() writes (property)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (ms) => parseTime("at", formatTime(ms)) === ms),
    );
  });
});

test("keys are long, findable by scanners, and hashed without their secret", () => {
  const key = generateKey(randomBytes);
  expect(key).toMatch(/^dl_[A-Za-z0-9_-]{43}$/);
  expect(isKey(key)).toBe(true);
  expect(isKey("dl_short")).toBe(false);
  expect(hashKey("dl_x")).toBe(
    Buffer.from(new Bun.CryptoHasher("sha256").update("dl_x").digest()).toString("base64url"),
  );
});

test("each role may do what the ones before it may", () => {
  ROLES.forEach((role, rank) => {
    ROLES.forEach((needed, neededRank) => {
      expect(isAtLeast(role, needed)).toBe(rank >= neededRank);
    });
  });
});

test("usernames and emails are ASCII and bounded", () => {
  expect(checkUsername(" ada.l-1_ ")).toBe("ada.l-1_");
  expect(checkEmail("a+b@example.com")).toBe("a+b@example.com");
  for (const bad of ["", "a b", "ä", "a".repeat(65), "a\u0000"]) expect(() => checkUsername(bad)).toThrow("username");
  for (const bad of ["", "a", "@b", "a@", "a@b@c", "a b@c", "ä@b.c", `${"a".repeat(255)}@b.c`])
    expect(() => checkEmail(bad)).toThrow("email");
});

test("reasons: a closed list for deletions, free text elsewhere", () => {
  expect(checkDeleteReason(undefined)).toBe("user_requested");
  expect(() => checkDeleteReason("because")).toThrow("must be one of");
  expect(checkReason(" ok ")).toBe("ok");
  expect(checkReason("  ")).toBeNull();
  expect(() => checkReason("x".repeat(501))).toThrow("at most 500");
});

test("changes are what differs, and a key's hash is never among what is shown", () => {
  const before = { id: 1, title: "a", is_active: true, version: 1, updated_at: "x" };
  expect(changesBetween(LINK, before, { ...before, title: "b", version: 2, updated_at: "y" })).toEqual({
    title: { from: "a", to: "b" },
  });
  expect(changesBetween(KEY, null, { id: 1, name: "a", expires_at: null, key_hash: "secret" })).toEqual({
    name: { from: null, to: "a" },
  });
  expect(withoutHidden(KEY, { id: 1, key_hash: "secret" })).toEqual({ id: 1 });
});
