// A bucket of its own for a test, on the S3 server of the test run.
import { randomBytes } from "node:crypto";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Access } from "../../src/adapters/object-store/s3-client.ts";

export interface TestBucket {
  readonly name: string;
  readonly access: S3Access & Readonly<Record<"endpoint" | "accessKeyId" | "secretAccessKey", string>>;
  /** The SDK itself, for what our adapters don't do. */
  readonly client: S3Client;
  /** Ends the client; the server's folder goes with the test run. */
  drop(): Promise<void>;
}

export async function createTestBucket(): Promise<TestBucket> {
  const endpoint = process.env["TEST_S3_ENDPOINT"];
  const accessKeyId = process.env["TEST_S3_ACCESS_KEY"];
  const secretAccessKey = process.env["TEST_S3_SECRET_KEY"];
  if (endpoint === undefined || accessKeyId === undefined || secretAccessKey === undefined)
    throw new Error("TEST_S3_ENDPOINT is not set; run through jest's project `real`");
  const name = `test-${randomBytes(8).toString("hex")}`;
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  await client.send(new CreateBucketCommand({ Bucket: name }));
  return { name, access: { endpoint, accessKeyId, secretAccessKey }, client, drop: async () => client.destroy() };
}
