// What a process that was killed leaves in its data folder: its servers are stopped by the next one, nobody else's process
// is, and nobody is told of servers that are not there.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { findRunningServers, lockDataFolder } from "../../../src/local/data-folder.ts";
import { findFreePort } from "../../../src/local/free-port.ts";

let path: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "wedsync-backup-left-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(path, { recursive: true, force: true });
});

const dead = { pid: 2 ** 23, startedAt: "1", host: "here", since: "2026-01-01T00:00:00Z", token: "dead" };
const servers = { databaseUrl: "postgres://x", temporalAddress: null, temporalUiUrl: null, facadeUrl: null };

/** A server of the killed process. */
async function startServer(): Promise<ChildProcess & { pid: number }> {
  const script = 'setInterval(() => {}, 1000); console.log("up")';
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  if (child.stdout !== null) await once(child.stdout, "data");
  return child as ChildProcess & { pid: number };
}
const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null;
/** As the killed process' lock and list would say; `when` = when the server started. */
async function leave(pid: number, when?: string): Promise<void> {
  const holder = await lockDataFolder(path);
  await holder.rememberServer("postgres", pid);
  const list = JSON.parse(await readFile(join(path, "servers.json"), "utf8")) as { startedAt: string }[];
  if (when !== undefined) for (const server of list) server.startedAt = when;
  await writeFile(join(path, "servers.json"), JSON.stringify(list));
  await writeFile(join(path, "lock.json"), JSON.stringify(dead));
}

test("a server that was left is stopped before the folder is given away", async () => {
  const server = await startServer();
  const ended = once(server, "exit");
  await leave(server.pid);
  const folder = await lockDataFolder(path);
  await ended;
  expect(server.signalCode).toBe("SIGINT");
  await expect(stat(join(path, "servers.json"))).rejects.toMatchObject({ code: "ENOENT" });
  await folder.release();
});

test("a process that has a left server's number by now is not touched", async () => {
  const stranger = await startServer();
  await leave(stranger.pid, "1");
  const folder = await lockDataFolder(path);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(isRunning(stranger)).toBe(true);
  await folder.release();
});

test("servers are told of while their process lives, and to this user alone", async () => {
  expect(await findRunningServers(path)).toBeNull();
  const folder = await lockDataFolder(path);
  expect(await findRunningServers(path)).toBeNull(); // it is still starting
  await folder.announce(servers);
  expect(await findRunningServers(path)).toEqual(servers);
  for (const name of ["running.json", "lock.json"])
    expect(((await stat(join(path, name))).mode & 0o077).toString(8)).toBe("0");
  await writeFile(join(path, "lock.json"), JSON.stringify(dead));
  expect(await findRunningServers(path)).toBeNull();
  await writeFile(join(path, "lock.json"), JSON.stringify({ ...dead, pid: process.pid })); // a later one of that number
  expect(await findRunningServers(path)).toBeNull();
  await folder.release();
});

test("a server comes back on its port where that is free, and on another where it is not", async () => {
  const port = await findFreePort();
  expect(await findFreePort(port)).toBe(port);
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port: used } = taken.address() as AddressInfo;
  const other = await findFreePort(used);
  expect(other).not.toBe(used);
  expect(other).toBeGreaterThan(0);
  taken.close();
});
