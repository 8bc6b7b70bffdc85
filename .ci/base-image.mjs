// A read-only container registry on loopback with one base image, because the SDK's container support pulls its base only from a
// registry. Usage: node .ci/base-image.mjs FOLDER. FOLDER has a root file system as <architecture>.tar.gz for each architecture.
// Prints "listening PORT" and serves the image as base:latest until it is killed.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const digest = bytes => 'sha256:' + createHash('sha256').update(bytes).digest('hex');
const stored = new Map();

function store(type, bytes) {
  const id = digest(bytes);
  stored.set(id, { type, bytes });
  return { mediaType: type, size: bytes.length, digest: id };
}
const json = value => Buffer.from(JSON.stringify(value));

const folder = process.argv[2];
const manifests = readdirSync(folder).filter(name => name.endsWith('.tar.gz')).sort().map(name => {
  const architecture = name.slice(0, -'.tar.gz'.length);
  const layer = readFileSync(join(folder, name));
  const config = store('application/vnd.docker.container.image.v1+json', json({
    architecture, os: 'linux', config: { Env: ['PATH=/usr/bin:/bin'] }, rootfs: { type: 'layers', diff_ids: [digest(gunzipSync(layer))] },
    history: [{ created_by: 'Debian packages' }],
  }));
  const layers = [store('application/vnd.docker.image.rootfs.diff.tar.gzip', layer)];
  return { ...store(MANIFEST, json({ schemaVersion: 2, mediaType: MANIFEST, config, layers })), platform: { architecture, os: 'linux' } };
});
const index = store(LIST, json({ schemaVersion: 2, mediaType: LIST, manifests }));

const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  const match = /^\/v2\/base\/(manifests|blobs)\/(.+)$/.exec(path);
  const found = match && stored.get(match[2] === 'latest' ? index.digest : match[2]);
  if (path === '/v2/') return response.writeHead(200).end();
  if (!found) return response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': found.type, 'Content-Length': found.bytes.length, 'Docker-Content-Digest': digest(found.bytes) });
  response.end(request.method === 'HEAD' ? undefined : found.bytes);
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
