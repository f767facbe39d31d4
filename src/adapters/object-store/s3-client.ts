// One way to reach S3 or a compatible store, for the object store and the media source.
import type { S3Client } from "@aws-sdk/client-s3";

export interface S3Access {
  readonly region?: string | null;
  readonly endpoint?: string | null;
  /** Without these the SDK's own chain applies (profile, web identity, instance role). */
  readonly accessKeyId?: string | null;
  readonly secretAccessKey?: string | null;
  /** Goes with temporary keys. */
  readonly sessionToken?: string | null;
}

export type S3Sdk = typeof import("@aws-sdk/client-s3");

export async function openS3(access: S3Access): Promise<{ sdk: S3Sdk; client: S3Client }> {
  // Imported here: it takes 0.3 s, and stores on disk need none of it.
  const sdk = await import("@aws-sdk/client-s3");
  const { region, endpoint, accessKeyId, secretAccessKey, sessionToken } = access;
  const client = new sdk.S3Client({
    region: region ?? "us-east-1",
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    ...(accessKeyId && secretAccessKey
      ? { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
      : {}),
    // Bridges a dropped connection or a 503; longer outages are Temporal's, or the person's at the command line.
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 10_000, requestTimeout: 300_000 },
    // "Expect: 100-continue" makes some servers wait a second for every upload.
    expectContinueHeader: false,
    requestChecksumCalculation: "WHEN_SUPPORTED",
    responseChecksumValidation: "WHEN_SUPPORTED",
  });
  return { sdk, client };
}
