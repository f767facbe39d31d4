// P1, P4, P5, P8, P9, P10: the big organization, first, unchanged, changed, and proven, beside pipes and restic.
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openObjectStore } from "../../src/adapters/object-store/open-object-store.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { verifyContent } from "../../src/repository/verify-content.ts";
import { verifyIntegrity } from "../../src/repository/verify-integrity.ts";
import { megabytes, type BenchContext } from "./bench-context.ts";
import { changeOnePercent } from "./bench-data.ts";
import { Figures } from "./figures.ts";
import { interleave, type Measurement } from "./measurement.ts";
import { planCopies } from "./organization-copies.ts";
import {
  copyToNowhere,
  oneSession,
  pipeForEachTable,
  rcloneEnvironment,
  rcloneTuned,
  resticEnvironment,
  statementEnvironment,
  unseal,
} from "./peer-pipes.ts";
import { Product } from "./product.ts";
import { timeShell } from "./shell.ts";

/** Ordinary organizations that warm a fresh worker up, as one that has run for a while. */
const warmUps = 4;

export async function measureBigOrganization(context: BenchContext): Promise<Measurement[]> {
  const { size, servers, peers, sourceUrl, organizationIds, peerEnvironment, say } = context;
  const [big = "", ...others] = organizationIds;
  const folder = join(servers.folder, "big");
  await mkdir(folder, { recursive: true });
  const { statements, script } = await planCopies(sourceUrl, big);
  const scriptPath = join(folder, "copies.sql");
  await writeFile(scriptPath, script);
  const sealedPath = join(folder, "one-session.zst.enc");
  const figures = new Figures(say);
  const { note } = figures;
  const shell = async (name: string, line: string, env: Record<string, string> = {}): Promise<void> =>
    note(name, await timeShell(line, { ...peerEnvironment, ...env }));
  let changes = 0;

  const ours = async (): Promise<void> => {
    const product = await Product.start({ ...context, store: "disk" });
    try {
      await product.backUpAll(others.slice(0, warmUps), 2);
      const first = await product.backUp(big);
      const { outcome } = first;
      note("first", first.sealedSeconds);
      note("first stored MB", megabytes(outcome.storedBytes));
      note("encryption %", ((outcome.stages.encrypt?.wallMs ?? 0) / outcome.sealedAfterMs) * 100);
      for (const how of ["unchanged", "appended", "scattered"] as const) {
        if (how !== "unchanged") await changeOnePercent(sourceUrl, big, how, (changes += 1));
        const next = await product.backUp(big);
        note(`${how} time %`, (next.sealedSeconds / first.sealedSeconds) * 100);
        note(`${how} stored %`, (next.outcome.storedBytes / outcome.storedBytes) * 100);
      }
      note("peak memory", await product.peakMemory());
      await prove(product, big, note);
    } finally {
      await product.stop();
      await rm(product.bucket, { recursive: true, force: true });
    }
  };
  const oursToS3 = async (): Promise<void> => {
    const product = await Product.start({ ...context, store: "s3" });
    try {
      await product.backUpAll(others.slice(0, warmUps), 2);
      note("first to S3", (await product.backUp(big)).sealedSeconds);
      note("peak memory, S3", await product.peakMemory());
    } finally {
      await product.stop();
    }
  };
  const pipes = async (): Promise<void> => {
    if (peers.has("bash", "psql")) await shell("bare COPY", copyToNowhere(scriptPath));
    if (!peers.has("bash", "psql", "zstd", "openssl")) return;
    await shell("one session", oneSession(scriptPath, sealedPath));
    await shell("unseal", `${unseal} < ${sealedPath} | zstd -qd | wc -l`);
  };
  const pipesToS3 = async (): Promise<void> => {
    if (!peers.has("bash", "psql", "zstd", "openssl", "rclone")) return;
    const bucket = `pipes-${(changes += 1)}`;
    await servers.createBucket(bucket);
    const files = join(folder, "tables");
    const line = `${pipeForEachTable(statements, files)} && rclone copy ${rcloneTuned} ${files} s3:${bucket}`;
    await shell("a pipe for each table, rclone", line, {
      ...statementEnvironment(statements),
      ...rcloneEnvironment(servers.s3, bucket, ""),
    });
  };
  const restic = async (): Promise<void> => {
    if (!peers.has("bash", "psql", "restic")) return;
    const repository = join(folder, "restic");
    const env = resticEnvironment(repository);
    const line = `psql -qXf ${scriptPath} | restic -q backup --stdin --stdin-filename organization`;
    await timeShell("restic -q init", { ...peerEnvironment, ...env });
    await shell("restic", line, env);
    await shell("restic, unchanged", line, env);
    await changeOnePercent(sourceUrl, big, "scattered", (changes += 1));
    await shell("restic, scattered", line, env);
    await rm(repository, { recursive: true, force: true });
  };

  await interleave(size.runs, [pipes, ours, restic, pipesToS3, oursToS3]);
  const sealedMegabytes = peers.has("openssl", "zstd") ? megabytes((await stat(sealedPath)).size) : Number.NaN;
  say(`  one session's file: ${sealedMegabytes.toFixed(1)} MB`);
  return describe(figures);
}

/** In this process, as an auditor would: integrity with the verification key alone, content with the key. */
async function prove(
  product: Product,
  organizationId: string,
  note: (name: string, figure: number) => void,
): Promise<void> {
  const unset = {
    region: null,
    endpoint: null,
    accessKeyId: null,
    secretAccessKey: null,
    sessionToken: null,
    serverSideEncryption: null,
  };
  const store = await openObjectStore({ provider: "filesystem", bucket: product.bucket, ...unset });
  const vault = await (await openRepository(store, product.encryptionKey)).openVault(organizationId);
  let startedMs = performance.now();
  const integrity = await verifyIntegrity(store, organizationId, vault.exportVerificationKey());
  note("integrity MB/s", megabytes(integrity.bytes) / ((performance.now() - startedMs) / 1000));
  const latest = await vault.readManifest(1);
  startedMs = performance.now();
  const content = await verifyContent(vault, latest.manifest);
  note("content", (performance.now() - startedMs) / 1000);
  if (integrity.problems.length + content.problems.length > 0) throw new Error("a fresh backup could not be proven");
  await store.close?.();
}

function describe({ row }: Figures): Measurement[] {
  return [
    row("P1", "first backup of the big organization, to disk", "s", "first", { atMost: 1 }, "one session"),
    row("P1", "… beside reading alone", "s", "first", { atMost: 1.3 }, "bare COPY"),
    row("P1", "… beside restic", "s", "first", null, "restic"),
    row(
      "P1",
      "first backup of the big organization, to S3",
      "s",
      "first to S3",
      { atMost: 0.75 },
      "a pipe for each table, rclone",
    ),
    row("P4", "unchanged: stored, of the first", "%", "unchanged stored %", { atMost: 0.1 }),
    row("P4", "unchanged: time, of the first", "%", "unchanged time %", { atMost: 25 }),
    row("P5", "1 % of rows appended: stored, of the first", "%", "appended stored %", { atMost: 2 }),
    row("P5", "1 % of rows appended: time, of the first", "%", "appended time %", { atMost: 50 }),
    row("P5", "1 % of rows scattered: stored, of the first", "%", "scattered stored %", { atMost: 5 }),
    row("P5", "1 % of rows scattered: time, of the first", "%", "scattered time %", { atMost: 50 }),
    row("P8", "integrity by HMAC", "MB/s", "integrity MB/s", { atLeast: 500 }),
    row("P8", "content: decrypted, decompressed, counted", "s", "content", { atMost: 1 }, "unseal"),
    row("P9", "worker's peak memory, big organization, disk", "MB", "peak memory", { atMost: 400 }),
    row("P9", "worker's peak memory, big organization, S3", "MB", "peak memory, S3", { atMost: 400 }),
    row("P10", "encryption, of the time to the seal", "%", "encryption %", { atMost: 5 }),
  ].flat();
}
