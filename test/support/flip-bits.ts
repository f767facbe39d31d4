// Changes one bit after the other of everything that a small repository stores, and asks what verification and reading say
// to it. A fast test gives some of the bits, the complete one all of them.
import type { MemoryStore } from "../../src/adapters/object-store/memory.ts";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { headerBytes } from "../../src/crypto/sealed-object.ts";
import { decodeOrganization } from "../../src/repository/names.ts";
import { tableSegments, type Manifest } from "../../src/repository/manifest.ts";
import { openRepository, type Repository } from "../../src/repository/repository.ts";
import { verifyContent } from "../../src/repository/verify-content.ts";
import { verifyIntegrity } from "../../src/repository/verify-integrity.ts";
import { outcomeOf } from "./outcome.ts";
import {
  expectedContent,
  makeSmallRepository,
  readEverything,
  smallKey,
  type PlainContent,
} from "./small-repository.ts";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";

export interface Target {
  readonly key: string;
  readonly bytes: Buffer;
  /** The organizations that this object concerns. */
  readonly organizations: readonly string[];
}

export interface Subject {
  readonly store: MemoryStore;
  readonly repository: Repository;
  readonly targets: readonly Target[];
  readonly verificationKeys: ReadonlyMap<string, string>;
  readonly backups: readonly { organizationId: string; sequence: number; content: PlainContent; manifest: Manifest }[];
}

export async function makeSubject(): Promise<Subject> {
  const store = createMemoryStore();
  const { repository, backups: written } = await makeSmallRepository(store);
  const ids = await repository.listOrganizations();
  const verificationKeys = new Map<string, string>();
  for (const id of ids) verificationKeys.set(id, (await repository.openVault(id)).exportVerificationKey());
  const backups = [];
  for (const { organizationId, sequence, content } of written) {
    const { manifest } = await (await repository.openVault(organizationId)).readManifest(sequence);
    backups.push({ organizationId, sequence, content, manifest });
  }
  const targets = [...store.objects].map(([key, bytes]) => {
    const [folder, part = ""] = key.split("/");
    const own = folder === "organizations" ? decodeOrganization(part) : null;
    return { key, bytes: Buffer.from(bytes), organizations: own === null ? ids : [own] };
  });
  return { store, repository, targets, verificationKeys, backups };
}

/** Puts other bytes under a key (or removes it) for the time of a call. */
export async function withObject<T>(
  store: MemoryStore,
  key: string,
  bytes: Buffer | null,
  run: () => Promise<T>,
): Promise<T> {
  const before = store.objects.get(key);
  if (bytes === null) store.objects.delete(key);
  else store.objects.set(key, bytes);
  try {
    return await run();
  } finally {
    if (before === undefined) store.objects.delete(key);
    else store.objects.set(key, before);
  }
}

export function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
}

/** Whether every verifier whom the object concerns finds a problem, by the verification key alone. */
export async function isFound({ store, verificationKeys }: Subject, target: Target): Promise<boolean> {
  for (const id of target.organizations) {
    const { problems } = await verifyIntegrity(store, id, verificationKeys.get(id) as string);
    if (problems.length === 0) return false;
  }
  return true;
}

/** Whether reading a backup touches the byte: of packs the header and the frames that its manifest names, of the rest all. */
export function isRead(manifest: Manifest, target: Target, at: number): boolean {
  const match = /\/(packs|manifests)\/(.*)$/.exec(target.key);
  if (match === null) return true;
  const [, folder, name = ""] = match;
  if (folder === "manifests") return Number(name) === manifest.sequence;
  const pack = manifest.packs.findIndex((each) => each.name === name);
  if (pack === -1) return false;
  if (at < headerBytes) return true;
  const references = [...manifest.tables.flatMap(tableSegments), ...manifest.media.files.flatMap((file) => file.parts)];
  return references.some((each) => each.pack === pack && at >= each.offset && at < each.offset + each.length);
}

/** The error's name, or "whole" when every row and file came back as it was; throws when something else came back. */
export async function readBackup(subject: Subject, backup: Subject["backups"][number]): Promise<ErrorCode | "whole"> {
  let content: Record<string, Buffer> = {};
  const outcome = await outcomeOf(async () => {
    const repository = await openRepository(subject.store, smallKey);
    const vault = await repository.openVault(backup.organizationId);
    const { manifest } = await vault.readManifest(backup.sequence);
    content = await readEverything(vault, manifest);
  });
  if (outcome !== "done") return outcome;
  const expected = expectedContent(backup.content);
  for (const [name, bytes] of Object.entries(expected))
    if (content[name]?.equals(bytes) !== true) throw new Error(`damage went unseen: ${name} came back changed`);
  return "whole";
}

/** The number of problems that a proof of the content finds; the manifest was read before the damage. */
export async function countContentProblems(subject: Subject, backup: Subject["backups"][number]): Promise<number> {
  const vault = await subject.repository.openVault(backup.organizationId);
  return (await verifyContent(vault, backup.manifest)).problems.length;
}
