// Extracts single files from a zip archive: unzip.mjs ARCHIVE (ENTRY TARGET)...
// Supports what the pinned archive needs: stored and deflated entries, no zip64.
import { readFileSync, writeFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

const [archive, ...pairs] = process.argv.slice(2);
const zip = readFileSync(archive);
const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
if (end < 0) throw new Error(`${archive}: no zip archive`);

const entries = new Map();
let at = zip.readUInt32LE(end + 16);
for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
  entries.set(zip.toString('utf8', at + 46, at + 46 + nameLength), {
    method: zip.readUInt16LE(at + 10),
    size: zip.readUInt32LE(at + 20),
    header: zip.readUInt32LE(at + 42),
  });
  at += 46 + nameLength + extraLength + commentLength;
}

for (let i = 0; i < pairs.length; i += 2) {
  const entry = entries.get(pairs[i]);
  if (!entry) throw new Error(`${archive}: has no ${pairs[i]}`);
  // The extra field may have another length in the local header than in the directory.
  const start = entry.header + 30 + zip.readUInt16LE(entry.header + 26) + zip.readUInt16LE(entry.header + 28);
  const data = zip.subarray(start, start + entry.size);
  if (entry.method !== 0 && entry.method !== 8) throw new Error(`${pairs[i]}: compression method ${entry.method} is not known here`);
  writeFileSync(pairs[i + 1], entry.method === 8 ? inflateRawSync(data) : data);
}
