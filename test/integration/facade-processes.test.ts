// Facades as production runs them: several processes, one Redis for their limits, and a database login of their own that
// owns nothing. And Redis gone in the middle of it.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Client } from "pg";
import request from "supertest";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { findFreePort } from "../../src/local/free-port.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createCommandLine, type RunningCommand } from "../support/command-line.ts";
import { startRedisServer, type RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/wait-until.ts";
import { environmentOf } from "../support/rig-environment.ts";

const login = `facade_${randomBytes(6).toString("hex")}`;
const password = randomBytes(12).toString("hex");
let rig: BackupRig;
let redis: RedisServer;
let redisPlace: Parameters<typeof startRedisServer>[0];
let commands: ReturnType<typeof createCommandLine>;
let organizationId: string;
let loginUrl: string;
const processes: RunningCommand[] = [];
const urls: string[] = [];

beforeAll(async () => {
  rig = await createBackupRig();
  [organizationId = ""] = rig.organizationIds;
  redisPlace = { folder: join(rig.folder, "redis"), cacheDir: cacheFolder(process.env), port: await findFreePort() };
  redis = await startRedisServer(redisPlace);
  await rig.database.query(`CREATE ROLE ${login} LOGIN PASSWORD '${password}'`);
  await rig.database.query(`GRANT wedsync_backup_facade TO ${login}`);
  const url = new URL(rig.database.url);
  [url.username, url.password] = [login, password];
  loginUrl = url.href;
  commands = createCommandLine({
    ...environmentOf(rig),
    BACKUP_FACADE_DATABASE_URL: loginUrl,
    BACKUP_AUTH_SECRET: randomBytes(32).toString("hex"),
    REDIS_URL: redis.url,
  });
  for (let each = 0; each < 2; each++) {
    const port = await findFreePort();
    processes.push(commands.start(["api"], { PORT: String(port) }));
    urls.push(`http://127.0.0.1:${port}`);
  }
  for (const each of processes) await each.says("facade ready");
}, 300_000);

afterAll(async () => {
  for (const each of processes) each.signal("SIGTERM");
  for (const each of processes) await each.ended;
  await redis?.stop();
  await rig?.database.query(`DROP ROLE IF EXISTS ${login}`);
  await rig?.close();
});

async function tokenOf(subject: string): Promise<string> {
  const { json } = await commands.json(["token", "-o", organizationId, "--subject", subject]);
  return (json as { token: string }).token;
}

const ask = (url: string, token: string) =>
  request(url).post("/api/admin/backup").set("Authorization", `Bearer ${token}`).send({});

test("count what an admin starts together, in Redis", async () => {
  const token = await tokenOf("anna");
  const answers = [];
  for (let each = 0; each < 6; each++) answers.push(await ask(urls[each % 2] ?? "", token));
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202, 429]);
  expect(answers.map(({ headers }) => headers["ratelimit-remaining"])).toEqual(["4", "3", "2", "1", "0", "0"]);
  expect(Number(answers.at(-1)?.headers["retry-after"])).toBeGreaterThan(0);
  expect((await ask(urls[0] ?? "", await tokenOf("otto"))).status).toBe(202);
  expect(await rig.control.query("SELECT FROM backup.rate_limits")).toEqual([]);
});

test("start nothing while Redis is away, say so, read on, and start again when it is back", async () => {
  const token = await tokenOf("paul");
  await redis.stop();
  for (const url of urls) {
    const { status, body, headers } = await ask(url, token);
    expect([status, body.code, headers["retry-after"]]).toEqual([503, "RateLimiterUnavailable", "5"]);
    const [entry] = await rig.control.query("SELECT outcome, actor FROM backup.audit_log WHERE request_id = $1", [
      body.requestId,
    ]);
    expect(entry).toEqual({ outcome: "failed", actor: "paul" });
    const read = await request(url).get("/api/admin/backup").set("Authorization", `Bearer ${token}`);
    expect(read.status).toBe(200);
  }
  redis = await startRedisServer(redisPlace);
  await waitUntil("both start backups again", async () => {
    const answers = [await ask(urls[0] ?? "", token), await ask(urls[1] ?? "", token)];
    return answers.every(({ status }) => status === 202 || status === 429);
  });
});

test("reach the control tables by a login that owns nothing and sees nothing by itself", async () => {
  const sessions = await rig.control.query<{ usename: string }>(
    "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'wedsync-backup facade'",
  );
  expect(sessions.map(({ usename }) => usename)).toEqual([login]);
  const client = new Client({ connectionString: loginUrl });
  await client.connect();
  try {
    const jobs = await client.query("SELECT FROM backup.backup_policies");
    expect(jobs.rowCount).toBe(0);
    for (const sql of [
      "SELECT key FROM backup.binding_key",
      "SELECT FROM public.guests",
      "DELETE FROM backup.audit_log",
      "UPDATE backup.backup_jobs SET status = 'failed'",
      "CREATE TABLE backup.mine (id int)",
    ])
      await expect(client.query(sql)).rejects.toMatchObject({ code: "42501" });
  } finally {
    await client.end();
  }
});
