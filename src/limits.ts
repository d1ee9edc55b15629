// Every bound of the program that is not a setting, in one place. Units come last in the name.

export const LIMITS = {
  urlBytes: 2_048,
  titleChars: 255,
  reasonChars: 500,
  tagsPerLink: 20,
  /** Of what an incident matches: codes, and characters of a glob. */
  incidentCodes: 1_000,
  globChars: 500,
  tagChars: 40,
  /** Seconds for which a browser may be told to keep a redirect. */
  maxAgeS: 3_600,
  /** An address that a visitor's own path or query has become part of. */
  forwardedBytes: 8_192,
  templatePlaces: 20,
  codeMinChars: 3,
  /** A domain, a slash and a code. */
  cachedNameChars: 253 + 1 + 64,
  codeMaxChars: 64,
  generatedCodeChars: 6,
  /** How often a generated code that is already taken is drawn again. */
  generatedCodeTries: 8,
  usernameChars: 64,
  /** RFC 5321 section 4.5.3.1.3 leaves 254 octets for an address in a forward-path. */
  emailChars: 254,
  keyNameChars: 100,
  keysPerUser: 100,
  requestIdChars: 128,
  /** How far back a request's events are looked for where nobody says since when. */
  requestIdSearchMs: 24 * 3_600_000,
  /** The same of a key's. */
  keySearchMs: 30 * 24 * 3_600_000,
  searchChars: 200,
  bodyBytes: 64 * 1024,
  jsonDepth: 32,
  pageSizeDefault: 50,
  pageSizeMax: 500,
  /** How deep ?page= may reach before a client must follow the keyset cursor instead. */
  pageOffsetMax: 10_000,
  embeddedHistory: 100,
  transactionRetries: 3,
  /** Commands of one transaction that are looked up in one go, the next ones after them. */
  applyRows: { postgres: 250, sqlite: 1_000 },
  /** And that are written in one go: on PostgreSQL all of them, since counters are locked in one order only within a statement. */
  writeRows: { postgres: 250, sqlite: 125 },
  /** Ids of a kind that are drawn ahead: a few groups' worth. */
  idsAhead: 512,
  /** Changes of one subject each that wait to be written, how many are written together, and groups that are written at once. */
  changesWaiting: 10_000,
  groupSize: { postgres: 250, sqlite: 64 },
  groupsAtOnce: { postgres: 3, sqlite: 1 },
  /** Turns of the event loop in which a group may grow before it begins. */
  groupTurns: 8,
  /** Who has less left than this waits no longer: a group has as long as the least of its changes. */
  groupLeastMs: 250,
  /** Of one bulk request: rows, bytes, how long it may take, characters of a row; rows where all or none are applied, or none at all. */
  bulkRows: 1_000_000,
  bulkBytes: 2 ** 30,
  bulkMs: 3_600_000,
  /** Rows that are read from a body in one go, and that may wait to be written. */
  bulkRowsRead: 50,
  bulkRowsAhead: 1_000,
  bulkRowChars: 64 * 1024,
  bulkAtomicRows: 5_000,
  bulkAtomicBytes: 32 * 2 ** 20,
  /** How long the next row may be in coming. */
  bulkIdleMs: 60_000,
  bulkDryRunRows: 100_000,
  bulkBatchRows: { postgres: 250, sqlite: 1_000 },
  /** Batches of one request in progress at a time: an embedded store has one writer. */
  batchesAtOnce: { postgres: 2, sqlite: 1 },
  /** Batches overlap only while they take less than this: a batch's deadline runs while it waits for the one before. */
  bulkBesideMs: 500,
  /** Redirects a second from which on a batch has fewer rows, and how many times as long as it took is rested after it. */
  bulkBusyRate: 50,
  bulkBusyRows: 8,
  bulkRestShare: 2,
  bulkRestMostMs: 1_000,
  /** Over how long redirects are counted to tell how many come a second, and past which a count tells nothing. */
  redirectRateMs: 250,
  redirectRateOldMs: 5_000,
  /** Bulk requests that one process takes at once. */
  bulksAtOnce: 4,
  /** How long whoever writes much waits for the log to take it up, and how often it looks. */
  paceMs: 60_000,
  paceLookMs: 20,
  /** How long it is remembered what came of a request with an Idempotency-Key, and how many are forgotten in one transaction. */
  idempotencyMs: 24 * 3_600_000,
  idempotencyChars: 255,
  idempotencySweepRows: 1_000,
  idempotencySweepMs: 60_000,
  /** Of a QR code: pixels, and modules of margin (ISO/IEC 18004 asks for 4). */
  qrPixelsLeast: 64,
  qrPixels: 300,
  qrPixelsMost: 2_048,
  qrMargin: 4,
  qrMarginMost: 16,
  /** Links of which it is remembered when they were changed, for those who look where they lead. */
  previews: 1_000,
  /** How soon a process that serves tries again to record where it is reached. */
  addressRetryMs: 10_000,
  /** What is said beside a changed link. */
  warnings: 4,
  /** Rows that an export reads at a time; events carry two states each. */
  exportRows: 250,
  exportEventRows: 200,
  exportsAtOnce: 2,
  /** Seconds for which whoever reads an export may do nothing. */
  exportIdleS: 120,
  /** Links that one transaction takes down, or brings back, and one request; of a preview: links of each kind, and owners. */
  incidentLinks: 250,
  incidentRows: 2_000,
  previewRows: 10,
  /** Incidents that may hold links at once, and links that a report names. */
  /** When it is worth asking again where the store could not take anything down. */
  incidentAgainMs: 2_000,
  openHolds: 100,
  /** How much two replicas' clocks may differ before a hold counts as settled too early. */
  holdSkewMs: 3_000,
  reportLinks: 10_000,
  /** Of those, in one for people. */
  reportRows: 500,
  /** Links that one request gives another tag, and other codes that are looked up for one that is unknown. */
  retagRows: 2_000,
  nearCodes: 1_000,
  nearShown: 5,
  /** Of a user who is deactivated: links that are handed over in one transaction, and how far they are counted. */
  handOverRows: 500,
  ownedCounted: 10_000,
  /** Subjects of which one transaction fills a side table, and how long its process waits before it looks again for more. */
  reindexRows: 500,
  reindexMs: 5_000,
  /** The same once nothing is missing. */
  reindexIdleMs: 60_000,
  sqliteQueuedWrites: 10_000,
  sqliteGroupSize: 64,
  sqliteGroupMs: 10,
  sqliteBusyMs: 100,
  /** How often it is looked who has waited for the writer for too long. */
  sqliteLateMs: 100,
  /** How long the thread that writes may take to open the file, or to close it. */
  sqliteThreadMs: 10_000,
  /** The buffer in which its messages are encoded: initial size, and the largest that is kept. */
  threadMessageBytes: 256 * 1024,
  threadMessageMostBytes: 4 * 2 ** 20,
  sqliteBusyRetryMs: 10,
  /** Pages that the reader keeps, in KiB: enough for the index of a million codes. */
  sqliteCacheKiB: 65_536,
  /** The same of each connection that writes. */
  sqliteWriteCacheKiB: 16_384,
  sqliteCheckpointMs: 500,
  /** How often the size of the write-ahead log is looked at, and how long it may wait for readers as it begins anew. */
  walLookMs: 25,
  walRestartMs: 50,
  walBytes: 64 * 2 ** 20,
  /** How long the writer pauses for that at the most, and how long it is let be where a reader held it up. */
  walPauseMs: 2_000,
  walHeldMs: 1_000,
  /** Queries that may look at many rows, waiting for the thread that runs them. */
  scansWaiting: 100,
  /** How often it is looked whether the store's file is still where it was. */
  sqliteFileMs: 500,
  /** How often a change of the file by another process is looked for. */
  sqliteWatchMs: 50,
  sqliteStatementCache: 500,
  postgresWaitingCalls: 1_000,
  postgresBackoffS: 0.2,
  /** A readiness check must answer before the prober gives up, and say which part is slow. */
  readinessMs: 2_000,
  /** How often the database is asked in the background whether it answers. */
  probeMs: 250,
  /** Keys that are remembered for an outage, and how long a remembered one waits for the store to say that it is still good. */
  rememberedKeys: 1_000,
  keyLateMs: 100,
  migrationMs: 60_000,
  /** How long a migration waits for a table at a time, less than deadlocks are looked for after, and how long it lets others on. */
  migrationLockMs: 500,
  migrationPauseMs: 500,
  verifyBatchRows: 2_000,
  /** Oldest and newest events, of each as many, that are asked whether a log key is theirs. */
  keyWitnesses: 8,
  /** Leaves that one transaction of the sequencer adds at the most: on SQLite more than a group and a batch write between two of its. */
  sequencerBatch: { postgres: 256, sqlite: 640 },
  /** Queue rows that wait for a predecessor and are looked past in one transaction. */
  sequencerDeferred: 4_096,
  sequencerPollMs: 100,
  /** How often a command asks for the log's head while a sequencer is at work, and how long it waits between. */
  headTries: 100,
  headRetryMs: 50,
  /** How long a queue id may be drawn before its transaction commits and still be found without the minute's full look. */
  sequencerLowWaterMs: 10_000,
  sequencerRetryMs: 1_000,
  /** Full tiles of the log that are hashed again each minute, others each time. */
  scrubTiles: 64,
  /** How often events that are in neither queue nor log are looked for, and how many ids one look covers. */
  sweepMs: 60_000,
  sweepIds: 50_000,
  /** How often the newest checkpoint is written to the file outside of the database. */
  rememberMs: 1_000,
  /** How soon an event that this process committed must be in the log; past it the process raises an alarm. */
  ownWriteMs: 30_000,
  ownWrites: 100_000,
  feedPollMs: 250,
  /** How long one look at the log may take before it counts as unanswered. */
  feedLookMs: 1_000,
  feedRows: 1_000,
  /** Long polls of the log that one process holds open, and how long each may wait: less than the server lets a connection idle. */
  feedWaiters: 1_000,
  feedWaitS: 8,
  followPageRows: 500,
  /** Entries that a durable consumer is given at once, how long its lease is, and how soon it tries again. */
  consumerRows: 500,
  consumerLeaseMs: 10_000,
  consumerRetryMs: 1_000,
  /** How long it rests at the least once it was given all. */
  consumerPauseMs: 100,
  /** How often a process that serves renews its row, and how soon after it heard of entries it says so. */
  replicaRenewMs: 1_000,
  replicaHeardMs: 50,
  /** How long a process believes its own row, and how much longer others do: they must not give it up before it knows. */
  replicaLeaseMs: 3_000,
  replicaLapseMs: 5_000,
  /** Rows that are looked at: processes that serve one store. */
  replicas: 1_000,
  /** How often it is looked who has heard of a change, and requests that wait for it at once. */
  heardPollMs: 50,
  heardWaiters: 1_000,
  /** Events whose disclosures one transaction erases. */
  eraseRows: 1_000,
  importRows: 10_000_000,
  /** Rows that one transaction imports. */
  importBatchRows: 1_000,
  importRowChars: 16 * 2 ** 20,
  importMs: 600_000,
  /** Of another product's API: pages, bytes of one, and how long one may take. */
  importPages: 100_000,
  importPageBytes: 16 * 2 ** 20,
  importPageMs: 30_000,
  /** What is said on a terminal of links that were not imported whole. */
  importRemarks: 20,
  /** Of a probe: how long one request may take, and how long it waits before it looks again. */
  probeRequestMs: 5_000,
  probePauseMs: 20,
  /** How often it is looked whether anything wants an alert. */
  alertLookMs: 5_000,
  /** How long the database may be silent, how long a condition must be over, and when it is said again that one still holds. */
  alertDatabaseMs: 20_000,
  alertClearMs: 10_000,
  alertRemindMs: 4 * 3_600_000,
  /** The same of what every replica sees. */
  alertSharedRemindMs: 15 * 60_000,
  /** What the log says is no news after this. */
  alertNewsMs: 24 * 3_600_000,
  /** Of a minute's requests: how many must have failed, and which share of them. Of the disk: the share that must be free. */
  alertLeastErrors: 20,
  alertErrorShare: 0.05,
  alertDiskShare: 0.1,
  /** Messages that wait for the webhook, how long it may take, how often one is tried and how long is waited in between. */
  alertsWaiting: 100,
  alertPostMs: 10_000,
  alertTries: 8,
  alertBackoffMs: 1_000,
  alertBackoffMostMs: 60_000,
  logBufferBytes: 2 ** 20,
  logFlushBytes: 64 * 1024,
  logFlushMs: 100,
  /** Codes that are looked up in the store at once; more are told to try again. */
  redirectLookups: 10_000,
  /** How long a redirect waits for the store, and how long the store is left alone after a failure. */
  redirectLookupMs: 1_000,
  redirectDownMs: 250,
  /** How long the store may take to answer before what is known is told without it. */
  storeLateMs: 250,
  /** How many places a code may be from its own in the cache's tables, and how many keys are tried to make it so. */
  linkProbes: 256,
  linkRekeys: 4,
  /** The warm set: how many links, how often the file is written. */
  warmLinks: 10_000,
  warmWriteMs: 5_000,
  /** How often replicas tell one another in the store which links are hot, how soon the same is told again, and rows at once. */
  hotMs: 60_000,
  hotFreshMs: 600_000,
  hotRows: 500,
  /** Distinct (link, visitor) pairs that are counted in memory before they are journalled; a power of two below 2^16. */
  clickTableRows: 8_192,
  /** Visitors (kind, device, referrer) that are told apart; a power of two. */
  visitors: 4_096,
  /** How often that table is emptied at the least: a flood of referrers must not hide those that come after it. */
  visitorTableMs: 60_000,
  /** User agents and referrers whose reading is remembered, a power of two, and how much of one is read and kept. */
  visitorTexts: 4_096,
  agentChars: 512,
  originChars: 300,
  /** From where on headers are long, and how much of them may pass before it is collected. */
  longHeaderChars: 2_048,
  longHeaderGarbageBytes: 16 * 2 ** 20,
  /** (Link, referrer) pairs of all hours that are told apart, and of how many hours at once. */
  referrerPairs: 200_000,
  referrerHours: 3,
  referrerChars: 253,
  /** What a kill loses at the most. */
  clickFlushMs: 250,
  /** Old hours that one transaction deletes. */
  clickSweepRows: 1_000,
  /** Rows of one transaction: a change of a link may have to wait for it. */
  clickChunk: 250,
  clickWriteMs: 5_000,
  clickRetryMs: 500,
  /** Redirects a second past which recording steps back, and how many times as long as a chunk took it waits then. */
  clickBusyRate: 4_000,
  clickBusyShare: 30,
  clickPauseMs: 2_000,
  /** Size past which a file that is appended to is closed, and recorded in its turn. */
  clickFileBytes: 2 ** 20,
  /** How long a process that stops goes on recording; the rest stays on disk for the next one. */
  clickCloseMs: 2_000,
  /** Clicks that wait for the store, on disk. */
  clickSpoolBytes: 256 * 2 ** 20,
  /** Clicks that wait for the store where no file can be written. */
  clickMemoryBytes: 16 * 2 ** 20,
  clickRangeHours: 24 * 366 * 10,
  clickGroups: 1_000,
  /** Hops of a forwarding header that are looked at, from the nearest on. */
  forwardedHops: 32,
  /** Buckets of each rate limit, a power of two; names that meet in one share it. */
  rateBuckets: 16_384,
  /** How often a command waits where a server says that it asks too often. */
  clientRetries: 20,
  /** File descriptors that are kept free of connections, and connections that are let in however few there are. */
  fileReserve: 64,
  connectionsLeast: 16,
  connectionCheckMs: 100,
  /** Times a listener was stopped and opened again whose old connections are still kept track of. */
  formerListeners: 8,
  /** After SIGTERM, how long at the least answers go on saying that the connection is to be closed, before it is. */
  drainNoticeMs: 300,
  /** How soon after a first signal to stop another one is taken for the same. */
  sameSignalMs: 500,
  clientMs: 30_000,
  /** How long the system's keyring may take, and how long a key on standard input may be. */
  keyringMs: 3_000,
  keyInputBytes: 4_096,
  /** Of a full screen: how long a lone ESC may be the beginning of more, what a paste and a sequence may hold, the least size. */
  escapeMs: 50,
  pasteChars: 16_384,
  sequenceChars: 32,
  screenColumnsLeast: 20,
  screenRowsLeast: 6,
  terminalRetryMs: 5,
  /** How often a full screen asks again, and how soon it says that it waits. */
  screenRefreshMs: 2_000,
  screenSpinnerMs: 150,
  searchPauseMs: 150,
  screenPauseMs: 100,
  /** How often the dashboard asks the server for one thing, and how many rates it plots. */
  dashboardAskMs: 1_000,
  dashboardPoints: 600,
  /** Rows that a full screen keeps of a list. */
  screenRows: 2_000,
  /** How long a shell waits for names, and how many it is given. */
  completionMs: 1_500,
  completionNames: 200,
  /** What doctor takes for normal: clocks this far apart, a disk with this share free, files this many may be open. */
  clockSkewMs: 5_000,
  diskShareLeast: 0.1,
  openFilesLeast: 4_096,
  keyExpirySoonMs: 7 * 86_400_000,
  backlogNormal: 0,
  /** How often `clicks --live` looks. */
  clicksLiveMs: 1_000,
  /** How long a scrape waits for the store, its key not counted; what is not read by then is left out. */
  scrapeReadMs: 150,
  /** How long a scrape waits for the other workers; one that is later is left out. */
  workerReportMs: 2_000,
  workerNewsMs: 100,
  /** A worker that ended is started again after this, twice as long each time it did not last, up to the most. */
  workerBackoffMs: 100,
  workerBackoffMostMs: 10_000,
  workerSteadyMs: 60_000,
  /** How long workers may take to stop, past grace and drain, before they are killed. */
  workerStopMs: 10_000,
  forwardedLineBytes: 2 ** 20,
  /** How long a supervisor whose workers have ended waits for the reader of their last lines. */
  workerFlushMs: 2_000,
} as const;
