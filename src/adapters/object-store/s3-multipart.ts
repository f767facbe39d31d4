// Bodies that are larger than one part. Create-only is decided when the upload is completed; each part and the whole carry
// a CRC-32 that the server verifies.
import { crc32 } from "node:zlib";
import type { S3Client } from "@aws-sdk/client-s3";
import type { S3Sdk } from "./s3-client.ts";

export interface MultipartTarget {
  readonly sdk: S3Sdk;
  readonly client: S3Client;
  readonly bucket: string;
  readonly partBytes: number;
  readonly serverSideEncryption: "AES256" | "aws:kms" | null;
  /** An upload of the same key that was begun so long ago is nobody's any more: its process was killed. */
  readonly abandonedMs: number;
}

export async function createInParts(
  target: MultipartTarget,
  key: string,
  body: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { sdk, client, bucket, partBytes, serverSideEncryption } = target;
  const where = { Bucket: bucket, Key: key };
  await abortAbandoned(target, key);
  const { UploadId } = await client.send(
    new sdk.CreateMultipartUploadCommand({
      ...where,
      ...(serverSideEncryption === null ? {} : { ServerSideEncryption: serverSideEncryption }),
      ChecksumAlgorithm: "CRC32",
      ChecksumType: "FULL_OBJECT",
    }),
    { abortSignal: signal },
  );
  try {
    const parts = [];
    for (let at = 0, number = 1; at < body.length; at += partBytes, number++) {
      const part = await client.send(
        new sdk.UploadPartCommand({
          ...where,
          UploadId,
          PartNumber: number,
          Body: body.subarray(at, at + partBytes),
          ChecksumAlgorithm: "CRC32",
        }),
        { abortSignal: signal },
      );
      parts.push({ PartNumber: number, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 });
    }
    signal?.throwIfAborted();
    await client.send(
      new sdk.CompleteMultipartUploadCommand({
        ...where,
        UploadId,
        MultipartUpload: { Parts: parts },
        ChecksumType: "FULL_OBJECT",
        ChecksumCRC32: crc32Base64(body),
        IfNoneMatch: "*",
      }),
    );
  } catch (error) {
    // Unfinished parts are not listed, but they are paid for.
    await client.send(new sdk.AbortMultipartUploadCommand({ ...where, UploadId })).catch(() => {}); // the error above counts; the next write of this key sweeps
    throw error;
  }
}

/** Only uploads of this very key: the bucket may be shared, and others' uploads are not ours to end. */
async function abortAbandoned({ sdk, client, bucket, abandonedMs }: MultipartTarget, key: string): Promise<void> {
  const { Uploads } = await client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key }));
  for (const { Key, UploadId, Initiated } of Uploads ?? []) {
    const ageMs = Date.now() - (Initiated?.getTime() ?? Date.now());
    if (Key !== key || ageMs < abandonedMs) continue;
    await client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId })).catch(() => {}); // another process was first
  }
}

function crc32Base64(body: Uint8Array): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString("base64");
}
