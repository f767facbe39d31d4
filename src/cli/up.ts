// wedsync-backup up (npm start): everything on this machine, then a first proven backup, then where to look.
import { reconcilePolicySchedules } from "../client/policy-schedules.ts";
import { listPolicies, putPolicy } from "../control/policies.ts";
import { policyDefaults } from "../domain/policy.ts";
import { findFreePort } from "../local/free-port.ts";
import { createSampleSchema, generateSampleWeddings } from "../samples/generate.ts";
import { samplePresets } from "../samples/sample-size.ts";
import { backUpAll } from "./backup.ts";
import { demonstrateRestore } from "./demonstration.ts";
import { describeRuns, type Described } from "./describe-runs.ts";
import { listSourceOrganizations } from "./list-source-organizations.ts";
import { nameOrganizations } from "./organization-names.ts";
import { number, seconds } from "./output.ts";
import { restoreTest, type RestoreTest } from "./restore-test.ts";
import { exitCodeOf, isFailed, type BackupRun } from "./run-results.ts";
import { openFacade } from "./open-facade.ts";
import { openWorker } from "./open-worker.ts";
import { describeServedParts } from "./served-parts.ts";
import type { Session } from "./session.ts";
import { describeRepository, whereToLook } from "./where-to-look.ts";

const sampleSeed = 1;

export async function runUp(session: Session, options: { once: boolean; demo: boolean }): Promise<number> {
  const { output, config } = session;
  const startedMs = performance.now();
  output.say("starting the servers …");
  const stack = await session.startStack();
  if (stack.isNewDatabase) {
    await createSampleSchema(session.sourceUrl);
    const made = await generateSampleWeddings({
      ...samplePresets.demo,
      databaseUrl: session.sourceUrl,
      mediaDir: session.mediaUrl,
      seed: sampleSeed,
    });
    output.say(
      `made ${made.organizationIds.length} sample organizations: ${number(made.rows)} rows, ${made.files} photos`,
    );
  }
  const ids = await listSourceOrganizations(session);
  const [control, client] = [await session.control(), await session.client()];
  await openWorker(session);
  if (config.sourceUrl === null) await makeNightlyPolicies(session, ids);
  await reconcilePolicySchedules(client, await listPolicies(control));
  output.say(`ready after ${seconds(performance.now() - startedMs)}; backing up ${ids.length} organizations …`);
  const backupsStartedMs = performance.now();
  const runs = await backUpAll(session, client, ids, { dataSets: null, proof: "content" });
  const described = { names: await nameOrganizations(session), elapsedMs: performance.now() - backupsStartedMs };

  // Only what this start has made itself is ever damaged.
  const showsLoss = options.demo && !options.once && stack.isNewDatabase && config.sourceUrl === null;
  if (showsLoss) {
    output.say(describeRuns(runs, described));
    await demonstrateRestore(session, client, runs);
  }
  if (options.once) return await finishOnce(session, runs, described);
  const facade = await openFacade(session, { port: await findFreePort(config.port), host: "127.0.0.1" });
  await stack.folder.announce({ ...stack, facadeUrl: facade.url, serves: describeServedParts(config) });
  const guestId = config.sourceUrl === null ? await findSampleGuest(session, ids[0]) : null;
  output.result(
    { runs, temporalUiUrl: stack.temporalUiUrl, facadeUrl: facade.url },
    () =>
      `${showsLoss ? "" : `${describeRuns(runs, described)}\n\n`}${whereToLook(session, facade.url, { organizationId: ids[0], guestId })}`,
  );
  await untilInterrupted();
  output.say("stopping …");
  await facade.stop();
  return exitCodeOf(runs);
}

/** A record to lose and to bring back, by way of example. */
async function findSampleGuest(session: Session, organizationId: string | undefined): Promise<string | null> {
  // The embedded database holds the samples and the control tables.
  const [row] = await (
    await session.control()
  ).query<{ id: string }>("SELECT id::text FROM public.guests WHERE organization_id::text = $1 ORDER BY id LIMIT 1", [
    organizationId ?? null,
  ]);
  return row?.id ?? null;
}

async function makeNightlyPolicies(session: Session, ids: readonly string[]): Promise<void> {
  const control = await session.control();
  if ((await listPolicies(control)).length > 0) return;
  for (const organizationId of ids) {
    await putPolicy(control, {
      ...policyDefaults,
      organizationId,
      name: "nightly",
      cron: "0 2 * * *",
      dataSets: null,
      paused: false,
    });
  }
}

async function untilInterrupted(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}

/** Each backup is restored, and what came back is compared. */
async function finishOnce(session: Session, runs: readonly BackupRun[], described: Described): Promise<number> {
  const tests: RestoreTest[] = [];
  for (const run of runs) {
    if (isFailed(run)) continue;
    session.output.progress(`restore test ${tests.length + 1} of ${runs.length}`);
    tests.push(await restoreTest(session, run));
  }
  const proven = tests.filter((test) => test.error === null).length;
  const allProven = runs.every((run) => !isFailed(run)) && proven === runs.length;
  const said = new Map(tests.map((test) => [test.organizationId, test.error ?? seconds(test.durationMs)]));
  session.output.result({ runs, restoreTests: tests, proven: allProven }, () =>
    [
      describeRuns(runs, { ...described, restoreTests: said }),
      "",
      `${proven} of ${runs.length} organizations were restored into a database of their own, with every row, checksum and`,
      `foreign key equal. Repository: ${describeRepository(session)}`,
    ].join("\n"),
  );
  if (exitCodeOf(runs) !== 0) return exitCodeOf(runs);
  return allProven ? 0 : 3;
}
