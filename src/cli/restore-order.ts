// From the options of `restore` to an order: every option is checked here, before anything is asked of anybody.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ConflictStrategy, Decision, LeftOverIds, LiveOnly, RecordSelection } from "../domain/restore-request.ts";
import { decisions, restoreDefaults, type BackupChoice, type RestoreOrder } from "../domain/restore-run.ts";
import { cliActor } from "./actor.ts";
import { usage } from "./output.ts";

export interface RestoreOptions {
  readonly organization: string;
  readonly backup?: string;
  readonly at?: string;
  readonly datasets?: string;
  readonly table?: string[];
  readonly record?: string[];
  readonly records?: string;
  readonly conflict: ConflictStrategy;
  readonly mergeBase?: string;
  readonly liveOnly: LiveOnly;
  readonly rename?: string[];
  readonly targetOrganization?: string;
  readonly leftOverIds?: LeftOverIds;
  readonly targetDatabaseUrl?: string;
  readonly dryRun?: boolean;
  readonly rows: string;
  readonly yes?: boolean;
  readonly decisions?: string;
  readonly defaultDecision?: string;
  readonly deadline: string;
  readonly backupFirst: boolean;
  readonly wait: boolean;
}

export interface RestoreRequest {
  readonly order: RestoreOrder;
  readonly records: readonly RecordSelection[] | null;
  readonly targetUrl: string | null;
}

const maxDeadlineHours = 30 * 24;

/** @param configuredTarget where --target-database-url is not given: the configuration's */
export async function readOrder(options: RestoreOptions, configuredTarget: string | null): Promise<RestoreRequest> {
  if (options.backup !== undefined && options.at !== undefined) throw usage("Say --backup or --at, not both.");
  const records = [...(options.record ?? []), ...(await readLines(options.records))].map(readRecord);
  const tables = options.table ?? null;
  if (records.length > 0 && (tables !== null || options.datasets !== undefined))
    throw usage("--record names single records; leave out --table and --datasets.");
  if (options.mergeBase !== undefined && options.conflict !== "merge")
    throw usage("--merge-base needs --conflict merge.");
  const isCopy = options.targetOrganization !== undefined && options.targetOrganization !== options.organization;
  if (isCopy && (records.length > 0 || options.mergeBase !== undefined))
    throw usage("--target-organization copies whole tables; leave out --record, --records and --merge-base.");
  const hours = Number(options.deadline);
  if (!(hours > 0 && hours <= maxDeadlineHours))
    throw usage(`--deadline is a number of hours, at most ${maxDeadlineHours}.`);
  const { organization } = options;
  const targetUrl = options.targetDatabaseUrl ?? configuredTarget;
  return {
    records: records.length === 0 ? null : records,
    targetUrl,
    order: {
      ...restoreDefaults,
      restoreId: randomUUID(),
      organizationId: organization,
      targetOrganizationId: options.targetOrganization ?? organization,
      target: targetUrl === null ? "source" : "other",
      choice: readChoice(options.backup, options.at),
      dataSets: options.datasets?.split(",").map((name) => name.trim()) ?? null,
      tables,
      records: records.length,
      strategy: options.conflict,
      liveOnly: options.liveOnly,
      renamedColumns: Object.fromEntries((options.rename ?? []).map(readRename)),
      mergeBase: options.mergeBase === undefined ? null : readChoice(options.mergeBase, undefined),
      dryRun: options.dryRun === true,
      approval: options.yes === true ? "given" : "ask",
      defaultDecision: readDefault(options.defaultDecision),
      waitMs: Math.round(hours * 3_600_000),
      preRestoreBackup: options.backupFirst,
      leftOverIds: options.leftOverIds ?? "stop",
      requestedBy: cliActor(),
    },
  };
}

export function readChoice(backup: string | undefined, at: string | undefined): BackupChoice {
  if (at !== undefined) {
    if (Number.isNaN(Date.parse(at)) || !/[zZ]|[+-]\d\d:?\d\d$/.test(at))
      throw usage("--at is a moment with its time zone, such as 2026-06-01T12:00:00Z.");
    return { by: "time", at };
  }
  if (backup === undefined || backup === "latest") return { by: "latest" };
  return /^\d+$/.test(backup) ? { by: "sequence", sequence: Number(backup) } : { by: "id", backupId: backup };
}

/** schema.table:key; a key of several columns, or one with odd characters, as a JSON list. */
export function readRecord(text: string): RecordSelection {
  const [, table, key] = /^([^:]+\.[^:]+):(.+)$/s.exec(text) ?? [];
  if (table === undefined || key === undefined)
    throw usage('A record is written as schema.table:KEY, or schema.table:["part","part"].');
  if (!key.startsWith("[")) return { table, key: [key] };
  try {
    const parts = JSON.parse(key) as unknown;
    if (Array.isArray(parts) && parts.length > 0 && parts.every((part) => typeof part === "string"))
      return { table, key: parts };
  } catch {
    // told below, together with lists of something else
  }
  throw usage('A key of several columns is a JSON list of texts: schema.table:["part","part"].');
}

async function readLines(path: string | undefined): Promise<string[]> {
  if (path === undefined) return [];
  const text = await readFile(path, "utf8").catch(() => {
    throw usage("The file of --records can't be read.");
  });
  return text.split("\n").filter((line) => line.trim() !== "");
}

function readRename(text: string): [string, string] {
  const [, from, to] = /^([^=]+\.[^=]+\.[^=]+)=(.+)$/.exec(text) ?? [];
  if (from === undefined || to === undefined) throw usage("--rename is written as schema.table.old=new.");
  return [from, to];
}

function readDefault(text: string | undefined): Decision | null {
  if (text === undefined) return null;
  const decision = decisions.find((each) => each === text || each.replace(" ", "-") === text);
  if (decision === undefined) throw usage(`--default-decision is one of: ${decisions.join(", ")}.`);
  return decision;
}
