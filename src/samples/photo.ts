// A photo-like file: JPEG markers, an EXIF block, and noise that does not compress.
import type { Random } from "./random.ts";

export function makePhoto(random: Random, sizeBytes: number): Buffer {
  const camera = Buffer.from("WedSync Camera\0");
  // TIFF header and one tag (0x010F, maker), as in every camera's file.
  const tiff = Buffer.alloc(8 + 2 + 12 + 4 + camera.length);
  tiff.write("II*\0", 0, "latin1");
  tiff.writeUInt32LE(8, 4);
  tiff.writeUInt16LE(1, 8);
  tiff.writeUInt16LE(0x010f, 10);
  tiff.writeUInt16LE(2, 12);
  tiff.writeUInt32LE(camera.length, 14);
  tiff.writeUInt32LE(26, 18);
  camera.copy(tiff, 26);
  const exif = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), tiff]);
  const app1 = Buffer.alloc(4);
  app1.writeUInt16BE(0xffe1, 0);
  app1.writeUInt16BE(exif.length + 2, 2);
  const scan = random.bytes(Math.max(16, Math.round(sizeBytes * (0.8 + random.below(400) / 1000))));
  for (let i = 0; i < scan.length; i++) if (scan[i] === 0xff) scan[i] = 0xfe; // a marker may not stand in scan data
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    app1,
    exif,
    Buffer.from([0xff, 0xda, 0, 2]),
    scan,
    Buffer.from([0xff, 0xd9]),
  ]);
}
