#!/usr/bin/env node
// A reader that shares nothing with the product: one file, Node's own modules, written from src/repository/FORMAT.md. It
// shows that a backup can be read without us. Node 22.15 or later, for zstd.
//
//   BACKUP_ENCRYPTION_KEY=… node read-backup.mjs REPOSITORY-FOLDER ORGANIZATION SEQUENCE TARGET-FOLDER
import { createDecipheriv, createHash, createHmac, hkdfSync, pbkdf2Sync } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { zstdDecompressSync } from "node:zlib";

const [repositoryDir, organizationId, sequenceText, targetDir] = process.argv.slice(2);
const keyText = (process.env.BACKUP_ENCRYPTION_KEY ?? "").trim();
if (targetDir === undefined || keyText === "")
  throw new Error("usage: BACKUP_ENCRYPTION_KEY=… read-backup.mjs REPOSITORY ORGANIZATION SEQUENCE TARGET");

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const hkdf = (key, salt, label, bytes = 32) =>
  Buffer.from(hkdfSync("sha256", key, salt, `wedsync-backup v1 ${label}`, bytes));
const none = Buffer.alloc(0);
const must = (condition, what) => {
  if (!condition) throw new Error(what);
};
const read = (key) => readFileSync(join(repositoryDir, ...key.split("/")));

const hmac = (key, ...parts) => parts.reduce((mac, part) => mac.update(part), createHmac("sha256", key)).digest();
const json = (...values) => JSON.stringify(values);

// Records
function record(key) {
  const bytes = read(key);
  const [line, sum] = bytes.toString("utf8").split("\n");
  must(
    bytes.equals(Buffer.from(`${line}\n${sha256(line).toString("hex")}\n`)) && sum.length === 64,
    `${key} is damaged`,
  );
  return { bytes, value: JSON.parse(line) };
}

function gcm(key, nonce, associated, ciphertext, tag) {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 })
    .setAAD(associated)
    .setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

// Keys
const isHexKey = /^[0-9a-fA-F]{64}$/.test(keyText);
const isBytesKey = isHexKey || /^[A-Za-z0-9+/_-]{43}=?$/.test(keyText);
function rootKeyFor({ kind, salt, iterations }) {
  if (kind === "none") return Buffer.from(keyText, isHexKey ? "hex" : "base64");
  const passphrase = keyText.replace(/^passphrase:/, "").normalize("NFC");
  return pbkdf2Sync(passphrase, Buffer.from(salt, "base64"), iterations, 32, "sha256");
}

function findRoot(repositoryRecord) {
  for (const name of readdirSync(join(repositoryDir, "roots"))) {
    const { bytes, value } = record(`roots/${name}`);
    if ((value.kind === "none") !== isBytesKey) continue;
    const root = rootKeyFor(value);
    const id = hkdf(root, none, "root key id", 8).toString("hex");
    const stated = json(id, value.kind, value.salt, value.iterations);
    const check = hmac(hkdf(root, none, "root check"), repositoryRecord, stated).toString("hex");
    if (id === name && check === value.check)
      return { id, recordHash: sha256(bytes).toString("hex"), wrappingKey: hkdf(root, none, "wrapping") };
  }
  throw new Error("BACKUP_ENCRYPTION_KEY is not the key of this repository");
}

const encoded = [...Buffer.from(organizationId)]
  .map((byte) =>
    /[A-Za-z0-9_-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
  )
  .join("");
const { bytes: repositoryRecord, value: repository } = record("repository");
must(repository.formatVersion === 1 && repository.features.length === 0, "the repository is of a newer format");
const root = findRoot(repositoryRecord);
const { value: keyRecord } = record(`organizations/${encoded}/keys/1.${root.id}`);
const wrapped = Buffer.from(keyRecord.wrapped, "base64");
const organizationKey = gcm(
  root.wrappingKey,
  wrapped.subarray(0, 12),
  Buffer.from(json("wedsync-backup v1", "organization key", repository.repositoryId, organizationId, 1)),
  wrapped.subarray(12, 44),
  wrapped.subarray(44),
);
const sealingKey = hkdf(organizationKey, none, "sealing");
const verificationKey = hkdf(organizationKey, none, "verification");
const idKey = hkdf(organizationKey, none, "segment id");
{
  const { epoch, rootKeyId, rootHash, wrapped: text, mac } = keyRecord;
  const { repositoryId } = repository;
  const stated = json(
    "wedsync-backup v1",
    "wrapped key",
    repositoryId,
    organizationId,
    epoch,
    rootKeyId,
    rootHash,
    text,
  );
  must(hmac(verificationKey, stated).toString("hex") === mac, "the organization's key record was changed");
  must(rootHash === root.recordHash && rootKeyId === root.id, "the root's descriptor was changed");
}

// Sealed objects
function openObject(bytes, kind, sequence) {
  must(bytes.subarray(0, 4).toString() === "WSB1" && bytes[4] === (kind === "pack" ? 1 : 2), `not a sealed ${kind}`);
  const place = json("wedsync-backup v1", kind, repository.repositoryId, organizationId, sequence);
  const mac = hmac(verificationKey, place, sha256(bytes.subarray(0, -32)));
  must(mac.equals(bytes.subarray(-32)), `a ${kind} is damaged, or of another place`);
  const clear = bytes.subarray(76, 76 + bytes.readUInt32BE(8));
  const salt = bytes.subarray(12, 44);
  must(hkdf(sealingKey, salt, "commitment").equals(bytes.subarray(44, 76)), "sealed by another key");
  const associated = sha256(place, bytes.subarray(0, 76), clear);
  const key = hkdf(sealingKey, salt, "object");
  /** One frame at an offset; `id` is the segment's. */
  const frame = (at, id = "") => {
    const word = bytes.readUInt32BE(at + 4);
    const [isFinal, length] = [word >= 2 ** 31, word % 2 ** 31];
    const nonce = Buffer.concat([Buffer.alloc(7), Buffer.from([isFinal ? 1 : 0]), bytes.subarray(at, at + 4)]);
    const end = at + 8 + length;
    const plain = gcm(
      key,
      nonce,
      Buffer.concat([associated, Buffer.from(id, "hex")]),
      bytes.subarray(at + 8, end),
      bytes.subarray(end, end + 16),
    );
    return { number: bytes.readUInt32BE(at), isFinal, plain, next: end + 16 };
  };
  return { clear, firstFrame: 76 + clear.length, frame };
}

function readManifest(sequence) {
  const bytes = read(`organizations/${encoded}/manifests/${String(sequence).padStart(10, "0")}`);
  const object = openObject(bytes, "manifest", sequence);
  const pieces = [];
  for (let at = object.firstFrame, number = 0, isFinal = false; !isFinal; number++) {
    const frame = object.frame(at);
    must(frame.number === number && frame.isFinal === (frame.next === bytes.length - 32), "frames are missing");
    pieces.push(frame.plain);
    ({ next: at, isFinal } = frame);
  }
  const raw = zstdDecompressSync(Buffer.concat(pieces));
  const manifest = JSON.parse(raw.toString("utf8"));
  const header = JSON.parse(object.clear.toString("utf8"));
  must(header.jsonBytes === raw.length, "a manifest has another size than stated");
  for (const name of ["sequence", "backupId", "createdAt", "complete", "previousManifestHash", "packs"])
    must(json(header[name]) === json(manifest[name]), `a manifest's clear header states another ${name}`);
  must(manifest.organizationId === organizationId && manifest.sequence === sequence, "another backup's manifest");
  must(manifest.formatVersion === 1, "the manifest is of a newer format");
  must(
    manifest.features.every((feature) => feature === "row-layers"),
    `needs a newer reader: ${manifest.features}`,
  );
  return manifest;
}

/** A pack's index: its final frame, found from the end by the trailer. */
function readIndex(bytes, object) {
  const trailerAt = bytes.length - 32 - 4;
  const at = trailerAt - bytes.readUInt32BE(trailerAt);
  const { isFinal, plain, next, number } = object.frame(at);
  const entries = JSON.parse(plain.toString("utf8"));
  must(isFinal && next === trailerAt && number === entries.length, "a pack's index is not its last frame");
  return new Map(entries.map((entry) => [entry.offset, entry]));
}

const manifest = readManifest(Number(sequenceText));
const packs = new Map();
function segment(reference) {
  const { name, sizeBytes } = manifest.packs[reference.pack];
  if (!packs.has(name)) {
    const bytes = read(`organizations/${encoded}/packs/${name}`);
    must(sha256(bytes).toString("hex") === name && bytes.length === sizeBytes, `pack ${name} is damaged`);
    const object = openObject(bytes, "pack", null);
    packs.set(name, { object, index: readIndex(bytes, object) });
  }
  const { object, index } = packs.get(name);
  const { pack: _pack, ...stated } = reference;
  must(isDeepStrictEqual(index.get(reference.offset), stated), "a pack's index and the manifest differ");
  const frame = object.frame(reference.offset, reference.id);
  must(!frame.isFinal && frame.next === reference.offset + reference.length, "a segment's frame has another length");
  const raw = zstdDecompressSync(frame.plain);
  must(raw.length === reference.rawBytes, "a segment has another size than stated");
  must(hmac(idKey, raw).toString("hex") === reference.id, "a segment is not of its id");
  return raw;
}

// XXH64 with seed 0, in 64-bit arithmetic
const [p1, p2, p3, p4, p5] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
];
const u64 = (value) => BigInt.asUintN(64, value);
const turn = (value, by) => u64(value << by) | (u64(value) >> (64n - by));
const round = (lane, word) => u64(turn(u64(lane + word * p2), 31n) * p1);
function xxh64(bytes) {
  let [at, hash] = [0, p5];
  if (bytes.length >= 32) {
    const lanes = [u64(p1 + p2), p2, 0n, u64(-p1)];
    for (; at + 32 <= bytes.length; at += 32)
      lanes.forEach((lane, index) => (lanes[index] = round(lane, bytes.readBigUInt64LE(at + index * 8))));
    hash = u64([1n, 7n, 12n, 18n].reduce((sum, by, index) => sum + turn(lanes[index], by), 0n));
    for (const lane of lanes) hash = u64((hash ^ round(0n, lane)) * p1 + p4);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) hash = u64(turn(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * p1 + p4);
  for (; at + 4 <= bytes.length; at += 4)
    hash = u64(turn(hash ^ u64(BigInt(bytes.readUInt32LE(at)) * p1), 23n) * p2 + p3);
  for (; at < bytes.length; at += 1) hash = u64(turn(hash ^ u64(BigInt(bytes[at]) * p5), 11n) * p1);
  hash = u64((hash ^ (hash >> 33n)) * p2);
  hash = u64((hash ^ (hash >> 29n)) * p3);
  return hash ^ (hash >> 32n);
}

// Rows, with layers from the top down
const linesOf = (references) =>
  references
    .map((each) => segment(each).toString("latin1"))
    .join("")
    .split("\n")
    .slice(0, -1);
function rowsOf({ segments, layers = [], keyColumnCount }) {
  const keyOf = (line) => line.split("\t").slice(0, keyColumnCount).join("\t");
  const hidden = new Set();
  const shown = [];
  for (const layer of layers.toReversed()) {
    const lines = linesOf(layer.rows);
    shown.push(...lines.filter((line) => !hidden.has(keyOf(line))));
    for (const line of [...lines, ...linesOf(layer.removed)]) hidden.add(keyOf(line));
  }
  shown.push(...linesOf(segments).filter((line) => hidden.size === 0 || !hidden.has(keyOf(line))));
  return shown;
}

mkdirSync(targetDir, { recursive: true });
const index = [];
const write = (kind, number, name, bytes) => {
  const file = `${kind}-${number}`;
  writeFileSync(join(targetDir, file), bytes);
  index.push({ file, name, sizeBytes: bytes.length, sha256: sha256(bytes).toString("hex") });
};
for (const [number, table] of manifest.tables.entries()) {
  const lines = rowsOf(table);
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""), "latin1");
  const checksum = u64(lines.reduce((sum, line) => sum + xxh64(Buffer.from(line, "latin1")), 0n));
  must(lines.length === table.rows && bytes.length === table.rawBytes, `${table.table} is not whole`);
  must(checksum.toString(16).padStart(16, "0") === table.checksum, `${table.table} has other rows than stated`);
  write("table", number, table.table, bytes);
}
for (const [number, file] of manifest.media.files.entries()) {
  const bytes = Buffer.concat(file.parts.map(segment));
  must(sha256(bytes).toString("hex") === file.sha256 && bytes.length === file.sizeBytes, `${file.path} is not whole`);
  write("file", number, file.path, bytes);
}
writeFileSync(join(targetDir, "index.json"), `${JSON.stringify(index, null, 2)}\n`);
