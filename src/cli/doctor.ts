// wedsync-backup doctor: whether a backup would work, shown by trying each part.
import { statfs } from "node:fs/promises";
import { probeObjectStore } from "../adapters/object-store/probe-object-store.ts";
import { listJobs } from "../control/jobs.ts";
import { BackupError } from "../domain/errors.ts";
import { planTenantClosure } from "../domain/tenant-closure.ts";
import { bytes, table } from "./output.ts";
import type { Session } from "./session.ts";

interface Finding {
  readonly part: string;
  readonly state: "ok" | "warn" | "fail";
  readonly detail: string;
}

export async function runDoctor(session: Session): Promise<number> {
  const findings: Finding[] = session.config.warnings.map((warning) => ({
    part: "configuration",
    state: "warn",
    detail: warning,
  }));
  const look = async (part: string, check: () => Promise<string>): Promise<void> => {
    try {
      findings.push({ part, state: "ok", detail: await check() });
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      findings.push({ part, state: "fail", detail: `${error.code}: ${error.message}` });
    }
  };
  await look("object store", async () => {
    const store = await session.store();
    const { latencyMs } = await probeObjectStore(store);
    return `${store.description}: create, read, refuse to overwrite, delete in ${latencyMs} ms`;
  });
  await look("repository and key", async () => {
    try {
      const repository = await session.repository();
      return `opened; ${(await repository.listOrganizations()).length} organizations`;
    } catch (error) {
      if (!(error instanceof BackupError && error.code === "RepositoryMissing")) throw error;
      return "none yet; the first backup makes it, with this key";
    }
  });
  await look("source database", async () => {
    const source = await session.source();
    const catalogue = await session.catalogue();
    const held = await source.holdSnapshot(catalogue.schemas, (schema) => planTenantClosure(schema, catalogue));
    try {
      const reader = await source.importSnapshot(held.reference);
      // LIMIT 0 of every table: rights and row security show themselves without reading a row.
      for (const { rowsSql } of held.closure.tables)
        await reader.query(`SELECT FROM (${rowsSql.replaceAll(/\$1::[^ )]+/g, "NULL")}) AS t LIMIT 0`, []);
      await reader.close();
      return `${source.description}: ${held.closure.tables.length} tables can be read under one snapshot`;
    } finally {
      await held.release();
    }
  });
  await look("control tables", async () => {
    const jobs = await listJobs(await session.control(), { limit: 1 });
    return jobs[0] === undefined
      ? "migrated; no job yet"
      : `migrated; last job ${jobs[0].status} at ${jobs[0].startedAt.slice(0, 19)}`;
  });
  await look("Temporal", async () => {
    await session.client();
    return `${session.temporal.address}, namespace ${session.config.temporal.namespace}`;
  });
  await look("media", async () => {
    const media = await session.media();
    await media.stat("doctor-probe");
    return media.description;
  });
  await look("disk", async () => {
    const { bavail, bsize } = await statfs(session.config.dataDir).catch(() => statfs("."));
    return `${bytes(bavail * bsize)} free for the data folder`;
  });
  session.output.result(findings, () =>
    table(
      ["part", "state", "detail"],
      findings.map(({ part, state, detail }) => [part, state, wrap(detail, 90)]),
    ),
  );
  return findings.some((finding) => finding.state === "fail") ? 1 : 0;
}

const wrap = (text: string, width: number): string =>
  text.replaceAll(new RegExp(`(?![^\\n]{1,${width}}$)([^\\n]{1,${width}})\\s`, "g"), "$1\n");
