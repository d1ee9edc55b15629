// A call of each query with everything it can be asked for at once: the tidy test prepares them all on both engines.

import { DEFAULT_OPTIONS } from "../../src/model/link-options.ts";
import { LINK_HOSTS } from "../../src/model/link-sides.ts";
import { LINK } from "../../src/model/link-subject.ts";
import { SUBJECTS } from "../../src/model/subjects.ts";
import * as changeQueries from "../../src/store/queries/changes.ts";
import * as clickQueries from "../../src/store/queries/clicks.ts";
import * as eventQueries from "../../src/store/queries/events.ts";
import * as exportQueries from "../../src/store/queries/exports.ts";
import * as followerQueries from "../../src/store/queries/followers.ts";
import * as hotLinkQueries from "../../src/store/queries/hot-links.ts";
import * as idempotencyQueries from "../../src/store/queries/idempotency.ts";
import * as incidentQueries from "../../src/store/queries/incidents.ts";
import * as keyQueries from "../../src/store/queries/keys.ts";
import * as urlQueries from "../../src/store/queries/links.ts";
import * as logQueries from "../../src/store/queries/log.ts";
import * as logInline from "../../src/store/queries/log-inline.ts";
import * as logWrites from "../../src/store/queries/log-writes.ts";
import * as addressQueries from "../../src/store/queries/public-address.ts";
import * as schemaQueries from "../../src/store/queries/schema.ts";
import * as sideTableQueries from "../../src/store/queries/side-tables.ts";
import * as subjectQueries from "../../src/store/queries/subjects.ts";
import * as tagQueries from "../../src/store/queries/tags.ts";
import * as userQueries from "../../src/store/queries/users.ts";
import type { Query, Tx } from "../../src/store/store.ts";

const bytes = new Uint8Array(32);
const link = {
  id: 1,
  short_code: "abc",
  original_url: "https://a.b/",
  title: "",
  is_active: 1,
  expires_at_ms: null,
  user_id: null,
  created_at_ms: 0,
  updated_at_ms: 0,
  version: 1,
  head: bytes,
  ...DEFAULT_OPTIONS,
};
/** With a value for every column that any kind of subject has. */
const row = {
  ...link,
  username: "a",
  email: "a@b",
  name: "k",
  role: "reader",
  key_hash: "h",
  revoked_at_ms: null,
  epoch: 1,
  statement: "s",
  match: "{}",
  reason: "r",
  hold: 0,
  is_open: 1,
  taken: 0,
  undone: 0,
};
const MATCHES = [
  { host: "a.b" },
  { tag: "t" },
  { codes: ["abc", "abd"] },
  {
    host: "a.b",
    host_suffix: "b",
    owner: 1,
    key: 1,
    tag: "t",
    created_between: ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"],
    codes: ["abc"],
    glob: "*x?",
  },
];
const event = {
  subject_type: "url",
  subject_id: 1,
  version: 1,
  op: "created",
  at_ms: 0,
  leaf: bytes,
  leaf_hash: bytes,
  tag: bytes,
  actor: "",
  state: "",
  user_id: null,
} as const;
const replica = { name: "a", host: "h", pid: 1, epoch: 0, next_index: 0, renewals: 1, outage_ms: 0, seen_at_ms: 0 };
const clickRange = { urlId: 1, fromHour: 0, toHour: 1, limit: 1 };
const subject = { type: "url", id: 1 } as const;
const IDEMPOTENCY_ROW = { key_hash: "a", digest: "b", subject_type: "url", subject_id: 1, version: 1, at_ms: 0 };
export const CALLS: Record<string, (tx: Tx) => Query<unknown> | Query<unknown>[]> = {
  findLinkById: (tx) => urlQueries.findLinkById(tx, 1),
  findLinkByCode: (tx) => urlQueries.findLinkByCode(tx, "abc"),
  listLinks: (tx) => [
    urlQueries.listLinks(tx, { limit: 1, offset: 0 }),
    urlQueries.listLinks(tx, {
      userId: 1,
      isActive: true,
      search: "x",
      before: { createdAtMs: 1, id: 1 },
      limit: 1,
      offset: 1,
    }),
    urlQueries.listLinks(tx, { isActive: false, limit: 1, offset: 0 }),
    urlQueries.listLinks(tx, { tagKeys: ["a", "b"], limit: 1, offset: 0 }),
  ],
  findSameLink: (tx) => [
    urlQueries.findSameLink(tx, { title: "a", user_id: null }, { targetKey: 1, code: "abc", nowMs: 1 }),
    urlQueries.findSameLink(tx, {}, { targetKey: 1, code: undefined, nowMs: 1 }),
  ],
  listOwned: (tx) => urlQueries.listOwned(tx, 1, 1),
  countOwned: (tx) => urlQueries.countOwned(tx, 1, 1),
  listCodes: (tx) => urlQueries.listCodes(tx, ["abc", "abd"], 1),
  findIncident: (tx) => incidentQueries.findIncident(tx, 1),
  listIncidents: (tx) => incidentQueries.listIncidents(tx, { beforeId: 9, limit: 1, offset: 0 }),
  listHolding: (tx) => incidentQueries.listHolding(tx),
  listMatching: (tx) => MATCHES.map((match) => incidentQueries.listMatching(tx, match, 0, 1)),
  countMatching: (tx) => MATCHES.map((match) => incidentQueries.countMatching(tx, match)),
  listNewestMatching: (tx) => MATCHES.map((match) => incidentQueries.listNewestMatching(tx, match, 1)),
  listMostClicked: (tx) => MATCHES.map((match) => incidentQueries.listMostClicked(tx, match, 1)),
  listOwners: (tx) => MATCHES.map((match) => incidentQueries.listOwners(tx, match, 1)),
  listTakenBy: (tx) => incidentQueries.listTakenBy(tx, 1, 0, 1),
  countTakenBy: (tx) => incidentQueries.countTakenBy(tx, 1),
  sumClicksOf: (tx) => incidentQueries.sumClicksOf(tx, [1, 2], { fromHour: 0, toHour: 1 }),
  listTags: (tx) => tagQueries.listTags(tx, "a", 1),
  listTagged: (tx) => tagQueries.listTagged(tx, { key: "a", notAs: "A", afterId: 0 }, 1),
  countTagged: (tx) => tagQueries.countTagged(tx, "a", "A"),
  findTagged: (tx) => tagQueries.findTagged(tx, "a"),
  findPublicAddress: (tx) => addressQueries.findPublicAddress(tx),
  recordPublicAddress: (tx) => addressQueries.recordPublicAddress(tx, { base_url: "http://a", is_set: 1 }, 1),
  lockUsersWhole: (tx) => userQueries.lockUsersWhole(tx, [1, 2]),
  findUserNamed: (tx) => userQueries.findUserNamed(tx, "ada"),
  findKey: (tx) => keyQueries.findKey(tx, 1),
  lockSubjects: (tx) =>
    SUBJECTS.map((subject) => subjectQueries.lockSubjects(tx, subject, { ids: [1, 2], names: ["a", "b"] })),
  lockSubjectsAfter: (tx) => SUBJECTS.map((subject) => subjectQueries.lockSubjectsAfter(tx, subject, 0, 1)),
  findSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.findSubjects(tx, subject, [1, 2])),
  listSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.listSubjects(tx, subject, 0, 1)),
  countSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.countSubjects(tx, subject)),
  insertSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.insertSubjects(tx, subject, [row, row])),
  updateSubjects: (tx) =>
    SUBJECTS.map((subject) => subjectQueries.updateSubjects(tx, subject, [row], new Set(["version", "head"]))),
  listTaken: (tx) =>
    SUBJECTS.flatMap((subject) =>
      Object.values(subject.uniques).map((unique) => subjectQueries.listTaken(tx, subject, unique, ["a", "b"])),
    ),
  writeInOne: (tx) =>
    tx.takesWritesInOne
      ? [undefined, [1, 2]].map((keyIds) =>
          changeQueries.writeInOne(tx, [event], 1, {
            parts: [subjectQueries.insertSubjects(tx, LINK, [row])],
            keyIds,
          }),
        )
      : [],
  insertSideRows: (tx) => [sideTableQueries.insertSideRows(tx, LINK_HOSTS, [{ url_id: 1, host: "a.b" }])],
  deleteSideRows: (tx) => sideTableQueries.deleteSideRows(tx, LINK_HOSTS, [1, 2]),
  listSideRows: (tx) => sideTableQueries.listSideRows(tx, LINK_HOSTS, [1, 2]),
  countSideRows: (tx) => sideTableQueries.countSideRows(tx, LINK_HOSTS),
  deleteStraySideRows: (tx) => sideTableQueries.deleteStraySideRows(tx, LINK_HOSTS, "urls"),
  completeIfEmpty: (tx) => sideTableQueries.completeIfEmpty(tx),
  readSideTables: (tx) => sideTableQueries.readSideTables(tx),
  lockSideTable: (tx) => sideTableQueries.lockSideTable(tx, LINK_HOSTS),
  listEarlierRequests: (tx) => idempotencyQueries.listEarlierRequests(tx, ["a", "b"]),
  insertIdempotencyKeys: (tx) => idempotencyQueries.insertIdempotencyKeys(tx, [{ ...IDEMPOTENCY_ROW }]),
  deleteIdempotencyKeys: (tx) => idempotencyQueries.deleteIdempotencyKeys(tx, ["a"]),
  deleteIdempotencyKeysBefore: (tx) => idempotencyQueries.deleteIdempotencyKeysBefore(tx, 1, 1),
  updateSideTable: (tx) => sideTableQueries.updateSideTable(tx, { name: "link_hosts", through_id: 1, is_complete: 0 }),
  lockKeys: (tx) => [
    keyQueries.lockKeys(tx, { ids: [], userIds: [], withAdmins: false }),
    keyQueries.lockKeys(tx, { ids: [1], userIds: [1, 2], withAdmins: true }),
  ],
  readStandings: (tx) => [keyQueries.readStandings(tx, []), keyQueries.readStandings(tx, [1, 2])],
  insertEvents: (tx) => eventQueries.insertEvents(tx, [event, event]),
  queueEvents: (tx) => eventQueries.queueEvents(tx, [event, { ...event, version: 2 }], 1),
  countEvents: (tx) => eventQueries.countEvents(tx),
  listFirstEvents: (tx) => eventQueries.listFirstEvents(tx, "url", [1, 2]),
  readGeneration: (tx) => schemaQueries.readGeneration(tx),
  updateGeneration: (tx) => schemaQueries.updateGeneration(tx, 1),
  findClicks: (tx) => clickQueries.findClicks(tx, 1),
  listClickTotals: (tx) => clickQueries.listClickTotals(tx, [1, 2]),
  recordBatch: (tx) => clickQueries.recordBatch(tx, "b"),
  forgetBatches: (tx) => clickQueries.forgetBatches(tx, ["a", "b"]),
  addClickHours: (tx) =>
    clickQueries.addClickHours(tx, [{ url_id: 1, hour: 1, kind: "click", device: "d", referrer: "", clicks: 1 }]),
  addClickTotals: (tx) => clickQueries.addClickTotals(tx, [{ url_id: 1, clicks: 1 }]),
  addImportedClicks: (tx) => clickQueries.addImportedClicks(tx, [{ url_id: 1, clicks: 1 }]),
  findImportedClicks: (tx) => clickQueries.findImportedClicks(tx, 1),
  addToClickSum: (tx) => clickQueries.addToClickSum(tx, 1),
  sumClicksByTime: (tx) => [
    clickQueries.sumClicksByTime(tx, clickRange, 24),
    clickQueries.sumClicksByTime(tx, clickRange, 1),
  ],
  sumClicksByLabel: (tx) => [
    clickQueries.sumClicksByLabel(tx, clickRange, "referrer"),
    clickQueries.sumClicksByLabel(tx, clickRange, "device"),
  ],
  listLinksAfter: (tx) => exportQueries.listLinksAfter(tx, 1, 1, 1),
  listClickHoursAfter: (tx) =>
    exportQueries.listClickHoursAfter(tx, { url_id: 1, hour: 1, kind: "click", device: "d", referrer: "" }, 1, 1),
  listEventsAfter: (tx) => eventQueries.listEventsAfter(tx, 1, 1, 1),
  deleteOldHours: (tx) => clickQueries.deleteOldHours(tx, 1, 1),
  listHotLinks: (tx) => hotLinkQueries.listHotLinks(tx, 1),
  nameHotLinks: (tx) => hotLinkQueries.nameHotLinks(tx, [{ url_id: 1, used_at_ms: 1 }], 1),
  forgetHotLinks: (tx) => hotLinkQueries.forgetHotLinks(tx, 1),
  findUser: (tx) => userQueries.findUser(tx, 1),
  findUsers: (tx) => userQueries.findUsers(tx, [1, 2]),
  listUsers: (tx) => userQueries.listUsers(tx, { afterId: 0, limit: 1, offset: 0 }),
  listKeysOf: (tx) => keyQueries.listKeysOf(tx, 1),
  findAnyAdminKey: (tx) => keyQueries.findAnyAdminKey(tx),
  findKeyByHash: (tx) => keyQueries.findKeyByHash(tx, "h"),
  listEvents: (tx) => [
    eventQueries.listEvents(tx, { limit: 1, offset: 0 }),
    eventQueries.listEvents(tx, {
      urlId: 1,
      userId: 1,
      type: "created",
      sinceMs: 0,
      untilMs: 1,
      requestId: "r",
      keyId: 1,
      tagKey: "t",
      before: { atMs: 1, id: 1 },
      limit: 1,
      offset: 1,
    }),
  ],
  findNewestOf: (tx) => eventQueries.findNewestOf(tx, { ...subject, throughVersion: 9 }, "deleted"),
  findEventNamed: (tx) => eventQueries.findEventNamed(tx, { subject_type: "url", subject_id: 1, version: 1 }),
  findEvent: (tx) => eventQueries.findEvent(tx, 1),
  listHistory: (tx) => eventQueries.listHistory(tx, subject, { afterVersion: 0, limit: 1, offset: 0 }),
  findEventAsOf: (tx) => eventQueries.findEventAsOf(tx, subject, 1),
  listChains: (tx) => eventQueries.listChains(tx, "url", { subjectId: 0, version: 0 }, 1),
  listOldestAndNewest: (tx) => eventQueries.listOldestAndNewest(tx, 1),
  listActorsToErase: (tx) => eventQueries.listActorsToErase(tx, 1, 1),
  listStatesToErase: (tx) => eventQueries.listStatesToErase(tx, { type: "user", id: 1, throughVersion: 1 }, 1),
  eraseActors: (tx) => eventQueries.eraseActors(tx, [1]),
  eraseStates: (tx) => eventQueries.eraseStates(tx, [1]),
  readOldestPending: (tx) => logQueries.readOldestPending(tx),
  lockLogHead: (tx) => logQueries.lockLogHead(tx),
  readLogHead: (tx) => logQueries.readLogHead(tx),
  readHeadAndQuarantine: (tx) => logQueries.readHeadAndQuarantine(tx),
  updateLogHead: (tx) => logWrites.updateLogHead(tx, { size: 1, note: "n", at_ms: 0 }),
  peekLog: (tx) => logQueries.peekLog(tx, 0),
  insertCursor: (tx) => [true, false].map((isAtEnd) => followerQueries.insertCursor(tx, "c", isAtEnd)),
  takeCursor: (tx) => followerQueries.takeCursor(tx, { name: "c", holder: "h", lease_until_ms: 1, now_ms: 1 }),
  moveCursor: (tx) => {
    const place = { epoch: 0, next_index: 0 };
    return followerQueries.moveCursor(tx, {
      name: "c",
      fence: 1,
      from: place,
      to: place,
      last_hash: bytes,
      lease_until_ms: 1,
    });
  },
  freeCursor: (tx) => followerQueries.freeCursor(tx, "c", "h"),
  putReplica: (tx) => followerQueries.putReplica(tx, replica),
  listReplicas: (tx) => followerQueries.listReplicas(tx, 1),
  deleteReplica: (tx) => [followerQueries.deleteReplica(tx, replica)],
  renewCursor: (tx) => [followerQueries.renewCursor(tx, { name: "a", fence: 1, lease_until_ms: 1 })],
  readEpoch: (tx) => logQueries.readEpoch(tx),
  listLogStates: (tx) => logQueries.listLogStates(tx),
  lookAtLog: (tx) => logQueries.lookAtLog(tx, { afterQueueId: 0, next: 1 }),
  lookInline: (tx) => logInline.lookInline(tx),
  listPreviousLeaves: (tx) => logInline.listPreviousLeaves(tx, 0),
  appendLeaves: (tx) => logInline.appendLeaves(tx, { size: 0, afterEventId: 0 }),
  listPending: (tx) => logQueries.listPending(tx, 0, 1),
  insertLeaves: (tx) => logWrites.insertLeaves(tx, [{ idx: 0, event_id: 1, leaf_hash: bytes }]),
  insertNodes: (tx) => logWrites.insertNodes(tx, [{ level: 1, idx: 0, hash: bytes }]),
  dequeue: (tx) => logWrites.dequeue(tx, [1, 2]),
  quarantine: (tx) => logWrites.quarantine(tx, [{ event_id: 1, reason: "r", at_ms: 0 }]),
  listQuarantined: (tx) => logQueries.listQuarantined(tx, 1),
  requeueQuarantined: (tx) => logQueries.requeueQuarantined(tx, 1),
  clearQuarantine: (tx) => logQueries.clearQuarantine(tx),
  listForgotten: (tx) => logQueries.listForgotten(tx, 0, 1, 1),
  enqueue: (tx) => logQueries.enqueue(tx, [1], 1),
  findNewestEventId: (tx) => logQueries.findNewestEventId(tx),
  findEventIdAt: (tx) => logQueries.findEventIdAt(tx, 0),
  listLeafHashes: (tx) => logQueries.listLeafHashes(tx, 0, 1),
  listNodeHashes: (tx) => logQueries.listNodeHashes(tx, 1, 0, 1),
  listEntries: (tx) => logQueries.listEntries(tx, 0, 1),
  selectTail: (tx) => logQueries.selectTail(tx, 0, 1),
  listLoggedEvents: (tx) => logQueries.listLoggedEvents(tx, 0, 1),
  findLeaf: (tx) => logQueries.findLeaf(tx, 1),
  listStanding: (tx) => logQueries.listStanding(tx, [event, { ...event, version: 2 }]),
  countLog: (tx) => logQueries.countLog(tx),
  listOrphanLeaves: (tx) => logQueries.listOrphanLeaves(tx, 1),
  listOrphansBeforeLog: (tx) => logQueries.listOrphansBeforeLog(tx, 1),
  readCounters: (tx) => eventQueries.readCounters(tx),
  listApplied: (tx) => schemaQueries.listApplied(tx),
  recordMigration: (tx) =>
    schemaQueries.recordMigration(tx, { version: 1, name: "n", checksum: "c", applied_at_ms: 0 }),
  ping: (tx) => schemaQueries.ping(tx),
};
