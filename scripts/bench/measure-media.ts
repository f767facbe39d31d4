// P11: photo-like files to the S3 store, first and again, beside rclone's encrypting remote and restic.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { join } from "node:path";
import type { BenchContext } from "./bench-context.ts";
import { makeWeddings } from "./bench-data.ts";
import { interleave, type Measurement } from "./measurement.ts";
import { rcloneEnvironment, rcloneTuned, resticEnvironment } from "./peer-pipes.ts";
import { Product } from "./product.ts";
import { timeShell } from "./shell.ts";

export async function measureMedia(context: BenchContext): Promise<Measurement[]> {
  const { size, servers, peers, say } = context;
  const { files, fileBytes } = size.media;
  const sourceUrl = await servers.createDatabase("media");
  const mediaDir = join(servers.folder, "media");
  say(`  making ${files} files`);
  const one = {
    organizations: 1,
    weddingsPerOrganization: 1,
    bigFactor: 1,
    guestsPerWedding: 30,
    messagesPerWedding: 30,
  };
  const weddings = { ...one, photosPerWedding: files, photoBytes: fileBytes };
  const { organizationIds } = await makeWeddings(sourceUrl, weddings, mediaDir);
  const [first, again, rclone, rcloneAgain, restic]: number[][] = [[], [], [], [], []];
  let run = 0;

  await interleave(size.runs, [
    async () => {
      const product = await Product.start({ ...context, sourceUrl, mediaDir, store: "s3" });
      try {
        first?.push((await product.backUp(organizationIds[0] ?? "")).sealedSeconds);
        again?.push((await product.backUp(organizationIds[0] ?? "")).sealedSeconds);
        say(`  ours: ${first?.at(-1)?.toFixed(2)} s, again ${again?.at(-1)?.toFixed(2)} s`);
      } finally {
        await product.stop();
      }
    },
    async () => {
      if (!peers.has("bash", "rclone")) return;
      const bucket = `rclone-${(run += 1)}`;
      await servers.createBucket(bucket);
      const { stdout } = await promisify(execFile)("rclone", ["obscure", bucket]);
      const env = rcloneEnvironment(servers.s3, bucket, stdout.trim());
      const line = `rclone copy ${rcloneTuned} ${mediaDir} sealed:`;
      rclone?.push(await timeShell(line, env));
      rcloneAgain?.push(await timeShell(line, env));
      say(`  rclone: ${rclone?.at(-1)?.toFixed(2)} s, again ${rcloneAgain?.at(-1)?.toFixed(2)} s`);
    },
    async () => {
      if (!peers.has("bash", "restic")) return;
      const { endpoint, accessKeyId, secretAccessKey } = servers.s3;
      const bucket = `restic-${run}`;
      await servers.createBucket(bucket);
      const credentials = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      const env = { ...resticEnvironment(`s3:${endpoint}/${bucket}`), ...credentials };
      await timeShell("restic -q init", env);
      restic?.push(await timeShell(`restic -q backup ${mediaDir}`, env));
      say(`  restic: ${restic?.at(-1)?.toFixed(2)} s`);
    },
  ]);
  const work = `${((files * fileBytes) / 1e9).toFixed(2)} GB of media to S3`;
  const row = (what: string, ours: number[] = [], name: string, figures: number[] = [], limit: Measurement["limit"]) =>
    figures.length === 0 ? [] : [{ goal: "P11", work: what, unit: "s" as const, ours, peer: { name, figures }, limit }];
  return [
    ...row(work, first, "rclone crypt", rclone, { atMost: 0.95 }),
    ...row(work, first, "restic", restic, { atMost: 0.6 }),
    ...row("… again", again, "rclone crypt, again", rcloneAgain, null),
  ];
}
