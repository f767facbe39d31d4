// Erases one organization's part of the repository. Every step is safe to repeat; none needs the organization's key.
//
// What must hold: the tombstone is there before anything goes, and the keys go before the data. So whenever it stops after
// the second step, what is left can be read by nobody.
import { timingSafeEqual } from "node:crypto";
import { sha256 } from "../crypto/sha256.ts";
import { hmac } from "../crypto/organization-keys.ts";
import { addAmounts, noAmounts, type Remaining, type StoredAmounts } from "../domain/erase-run.ts";
import { BackupError } from "../domain/errors.ts";
import type { ObjectLock, ObjectStore, StoredVersion } from "../ports/object-store.ts";
import { manifestsPrefix, organizationPrefix, packsPrefix, wrappedKeysPrefix } from "./names.ts";
import type { RootKey } from "./roots.ts";
import { assertNotErased, readTombstone, writeTombstone, type Tombstone } from "./tombstone.ts";
import type { KeyPlace } from "./wrapped-keys.ts";

export interface Signature {
  readonly rootKeyId: string;
  /** HMAC-SHA256 by a key that is derived from the root key, hex. */
  readonly mac: string;
}

export interface OrganizationErasure {
  readonly repositoryId: string;
  readTombstone(): Promise<Tombstone | null>;
  /** @throws OrganizationErased */
  assertNotErased(): Promise<void>;
  writeTombstone(tombstone: Tombstone): Promise<void>;
  /** The store's own locks; at most so many, since one is enough to refuse. */
  listLocks(most: number): Promise<readonly ObjectLock[]>;
  /** Names of the wrapped keys, older versions included. */
  listKeyIds(): Promise<readonly string[]>;
  countKeys(): Promise<StoredAmounts>;
  /** @throws StorageAccessDenied when the store keeps one. */
  destroyKeys(): Promise<void>;
  count(): Promise<StoredAmounts>;
  /** `onPage` before each page goes. @returns what the store keeps, and why. @throws StorageAccessDenied */
  deleteAll(onPage: (removed: StoredAmounts) => Promise<void>): Promise<readonly Remaining[]>;
  sign(text: string): Signature;
  /** Null: signed under another root key, which can't be told from here. */
  isSigned(text: string, signature: Signature): boolean | null;
}

const pageVersions = 1_000;
/** Of those that the store keeps: a certificate is for people. */
const namedObjects = 100;

export function openErasure(store: ObjectStore, place: KeyPlace, root: RootKey): OrganizationErasure {
  const { repositoryId, organizationId } = place;
  const prefix = organizationPrefix(organizationId);
  const keysPrefix = wrappedKeysPrefix(organizationId);

  const sign = (text: string): Signature => {
    const hash = sha256(text);
    const content = JSON.stringify(["wedsync-backup v1", "erasure certificate", repositoryId, hash]);
    return { rootKeyId: root.rootKeyId, mac: hmac(root.erasureKey, Buffer.from(content)).toString("hex") };
  };

  const countUnder = async (under: string): Promise<StoredAmounts> => {
    let amounts = noAmounts;
    for await (const version of store.listVersions(under))
      amounts = addAmounts(amounts, amountOf(version, organizationId));
    return amounts;
  };

  return {
    repositoryId,
    readTombstone: () => readTombstone(store, place, root),
    assertNotErased: () => assertNotErased(store, place, root),
    writeTombstone: (tombstone) => writeTombstone(store, place, root, tombstone),
    async listLocks(most) {
      const locks: ObjectLock[] = [];
      for await (const lock of store.listLocks(prefix)) {
        locks.push(lock);
        if (locks.length >= most) break;
      }
      return locks;
    },
    async listKeyIds() {
      const ids = new Set<string>();
      for await (const { key, kind } of store.listVersions(keysPrefix))
        if (kind === "version") ids.add(key.slice(keysPrefix.length));
      return [...ids].sort();
    },
    async destroyKeys() {
      // Until a listing is empty: one that was written between the tombstone and the listing is found by the next.
      for (;;) {
        const found = await collect(store.listVersions(keysPrefix), pageVersions);
        if (found.length === 0) return;
        const kept = await store.destroy(found);
        if (kept.length > 0) throw undeletable(kept.map(({ key }) => key));
      }
    },
    countKeys: () => countUnder(keysPrefix),
    count: () => countUnder(prefix),
    async deleteAll(onPage) {
      const kept = new Map<string, StoredVersion>();
      const remove = async (page: readonly StoredVersion[]): Promise<void> => {
        await onPage(page.map((each) => amountOf(each, organizationId)).reduce(addAmounts));
        for (const each of await store.destroy(page)) kept.set(nameOf(each), each);
      };
      // Ends with a listing that finds nothing more: that is the proof.
      for (let found = true; found;) {
        found = false;
        let page: StoredVersion[] = [];
        for await (const version of store.listVersions(prefix)) {
          if (kept.has(nameOf(version))) continue;
          found = true;
          page.push(version);
          if (page.length < pageVersions) continue;
          await remove(page);
          page = [];
        }
        if (page.length > 0) await remove(page);
      }
      return kept.size === 0 ? [] : await explain(store, prefix, [...kept.values()]);
    },
    sign,
    isSigned(text, { rootKeyId, mac }) {
      if (rootKeyId !== root.rootKeyId) return null;
      const stated = Buffer.from(mac, "hex");
      const expected = Buffer.from(sign(text).mac, "hex");
      return stated.length === expected.length && timingSafeEqual(stated, expected);
    },
  };
}

async function collect(versions: AsyncIterable<StoredVersion>, most: number): Promise<StoredVersion[]> {
  const page: StoredVersion[] = [];
  for await (const version of versions) {
    page.push(version);
    if (page.length >= most) break;
  }
  return page;
}

const nameOf = ({ key, kind, versionId }: StoredVersion): string => JSON.stringify([key, kind, versionId]);

function amountOf({ key, sizeBytes }: StoredVersion, organizationId: string): StoredAmounts {
  const is = (prefix: string): boolean => key.startsWith(prefix);
  const kind = is(wrappedKeysPrefix(organizationId))
    ? "keys"
    : is(manifestsPrefix(organizationId))
      ? "manifests"
      : is(packsPrefix(organizationId))
        ? "packs"
        : "others";
  return { ...noAmounts, [kind]: 1, bytes: sizeBytes };
}

/** What a lock explains remains, and is named; what no lock explains is a permission that lacks. @throws StorageAccessDenied */
async function explain(store: ObjectStore, prefix: string, kept: readonly StoredVersion[]): Promise<Remaining[]> {
  const locks = new Map<string, ObjectLock>();
  for await (const lock of store.listLocks(prefix)) locks.set(lock.key, lock);
  const unexplained = kept.filter(({ key }) => !locks.has(key));
  if (unexplained.length > 0) throw undeletable(unexplained.map(({ key }) => key));
  const named = kept.slice(0, namedObjects).map(({ key, sizeBytes }) => {
    const lock = locks.get(key) as ObjectLock;
    return { what: `${key} (${sizeBytes} bytes, unreadable)`, why: describeLock(lock) };
  });
  const more = kept.length - named.length;
  return more === 0 ? named : [...named, { what: `${more} more objects, unreadable`, why: "locks of the store" }];
}

export const describeLock = ({ kind, until }: Pick<ObjectLock, "kind" | "until">): string =>
  kind === "legal hold" ? "the store's legal hold on it" : `the store's object lock until ${until}`;

const undeletable = (keys: readonly string[]): BackupError =>
  new BackupError(
    "StorageAccessDenied",
    `The store does not delete ${keys[0]}${keys.length > 1 ? ` and ${keys.length - 1} more` : ""}, and names no lock. The credentials need s3:DeleteObject and, where the bucket keeps versions, s3:DeleteObjectVersion.`,
    { object: keys[0] ?? "" },
  );
