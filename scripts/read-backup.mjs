#!/usr/bin/env node
// A reader that shares nothing with the product: one file, Node's own modules, written from src/repository/FORMAT.md. It
// shows that a backup can be read without us. Node 22.15 or later, for zstd.
//
//   BACKUP_ENCRYPTION_KEY=… node read-backup.mjs REPOSITORY-FOLDER ORGANIZATION SEQUENCE TARGET-FOLDER
import { createDecipheriv, createHash, createHmac, hkdfSync, pbkdf2Sync } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
function rootKeyFor({ kind, salt, iterations }) {
  if (kind === "none") return Buffer.from(keyText, /^[0-9a-fA-F]{64}$/.test(keyText) ? "hex" : "base64");
  const passphrase = keyText.replace(/^passphrase:/, "").normalize("NFC");
  return pbkdf2Sync(passphrase, Buffer.from(salt, "base64"), iterations, 32, "sha256");
}

function findRoot(repositoryRecord) {
  for (const name of readdirSync(join(repositoryDir, "roots"))) {
    const { value } = record(`roots/${name}`);
    const root = rootKeyFor(value);
    const id = hkdf(root, none, "root key id", 8).toString("hex");
    const stated = JSON.stringify([id, value.kind, value.salt, value.iterations]);
    const check = createHmac("sha256", hkdf(root, none, "root check"))
      .update(repositoryRecord)
      .update(stated)
      .digest("hex");
    if (id === name && check === value.check) return { id, wrappingKey: hkdf(root, none, "wrapping") };
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
const wrapped = Buffer.from(record(`organizations/${encoded}/keys/1.${root.id}`).value.wrapped, "base64");
const wrapPlace = JSON.stringify(["wedsync-backup v1", "organization key", repository.repositoryId, organizationId, 1]);
const organizationKey = gcm(
  root.wrappingKey,
  wrapped.subarray(0, 12),
  Buffer.from(wrapPlace),
  wrapped.subarray(12, 44),
  wrapped.subarray(44),
);
const sealingKey = hkdf(organizationKey, none, "sealing");

// Sealed objects
function openObject(bytes, kind, sequence) {
  must(bytes.subarray(0, 4).toString() === "WSB1" && bytes[4] === (kind === "pack" ? 1 : 2), `not a sealed ${kind}`);
  const clear = bytes.subarray(76, 76 + bytes.readUInt32BE(8));
  const salt = bytes.subarray(12, 44);
  must(hkdf(sealingKey, salt, "commitment").equals(bytes.subarray(44, 76)), "sealed by another key");
  const place = JSON.stringify(["wedsync-backup v1", kind, repository.repositoryId, organizationId, sequence]);
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
  const manifest = JSON.parse(zstdDecompressSync(Buffer.concat(pieces)).toString("utf8"));
  must(manifest.formatVersion === 1, "the manifest is of a newer format");
  must(
    manifest.features.every((feature) => feature === "row-layers"),
    `needs a newer reader: ${manifest.features}`,
  );
  return manifest;
}

const manifest = readManifest(Number(sequenceText));
const packs = new Map();
function segment(reference) {
  const { name } = manifest.packs[reference.pack];
  if (!packs.has(name)) {
    const bytes = read(`organizations/${encoded}/packs/${name}`);
    must(sha256(bytes).toString("hex") === name, `pack ${name} is damaged`);
    packs.set(name, openObject(bytes, "pack", null));
  }
  const raw = zstdDecompressSync(packs.get(name).frame(reference.offset, reference.id).plain);
  must(raw.length === reference.rawBytes, "a segment has another size than stated");
  return raw;
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
  must(lines.length === table.rows && bytes.length === table.rawBytes, `${table.table} is not whole`);
  write("table", number, table.table, bytes);
}
for (const [number, file] of manifest.media.files.entries()) {
  const bytes = Buffer.concat(file.parts.map(segment));
  must(sha256(bytes).toString("hex") === file.sha256, `${file.path} is not whole`);
  write("file", number, file.path, bytes);
}
writeFileSync(join(targetDir, "index.json"), `${JSON.stringify(index, null, 2)}\n`);
