// The shell lines of the peers. Their keys are thrown away with the benchmark, so they may stand in arguments.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { S3Server } from "../../test/support/s3-server.ts";

const key = randomBytes(32).toString("hex");
const iv = randomBytes(16).toString("hex");
export const seal = `openssl enc -aes-256-ctr -K ${key} -iv ${iv}`;
export const unseal = `openssl enc -d -aes-256-ctr -K ${key} -iv ${iv}`;

export const copyToNowhere = (scriptPath: string): string => `psql -qXf ${scriptPath} > /dev/null`;

export const oneSession = (scriptPath: string, target: string): string =>
  `psql -qXf ${scriptPath} | zstd -q -3 | ${seal} > ${target}`;

/** One pipe a table, as people write it. */
export const pipeForEachTable = (statements: readonly string[], folder: string): string =>
  [
    `mkdir -p ${folder}`,
    ...statements.map(
      (sql, index) => `psql -qXc "$SQL_${index}" | zstd -q -3 | ${seal} > ${join(folder, String(index))}`,
    ),
  ].join(" && ");

export const statementEnvironment = (statements: readonly string[]): Record<string, string> =>
  Object.fromEntries(statements.map((sql, index) => [`SQL_${index}`, sql]));

export const resticEnvironment = (repository: string): Record<string, string> => ({
  RESTIC_REPOSITORY: repository,
  RESTIC_PASSWORD: key,
  RESTIC_CACHE_DIR: "/dev/null",
});

/** An S3 remote `s3:` and, over it, an encrypting one `sealed:`. */
export function rcloneEnvironment(
  { endpoint, accessKeyId, secretAccessKey }: S3Server,
  bucket: string,
  obscured: string,
): Record<string, string> {
  return {
    RCLONE_CONFIG: "/dev/null",
    AWS_CA_BUNDLE: "", // rclone 1.60 fails where it is set, even without TLS
    RCLONE_CONFIG_S3_TYPE: "s3",
    RCLONE_CONFIG_S3_PROVIDER: "Other",
    RCLONE_CONFIG_S3_ENDPOINT: endpoint,
    RCLONE_CONFIG_S3_ACCESS_KEY_ID: accessKeyId,
    RCLONE_CONFIG_S3_SECRET_ACCESS_KEY: secretAccessKey,
    RCLONE_CONFIG_S3_REGION: "us-east-1",
    RCLONE_CONFIG_SEALED_TYPE: "crypt",
    RCLONE_CONFIG_SEALED_REMOTE: `s3:${bucket}`,
    RCLONE_CONFIG_SEALED_PASSWORD: obscured,
  };
}

/** By default rclone waits a second for `100 Continue` before each object, which versitygw does not send. */
export const rcloneTuned = "--expect-continue-timeout 0 --s3-no-check-bucket --transfers 4";
