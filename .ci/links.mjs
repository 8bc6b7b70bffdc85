// Checks every relative link and anchor between the repository's Markdown files, the paths of source files in them, and every
// docs/*.md path in other files. Prints file:line of each broken one and fails if there is any.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const skipped = new Set(['.git', '.tools', 'bin', 'obj', 'artifacts', 'node_modules', 'TestResults']);
const texts = new Set(['.md', '.cs', '.yaml', '.yml', '.tpl', '.txt', '.mjs', '.py', '.proto', '.csproj', '.props', '']);

function* filesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (skipped.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile() && texts.has(extname(entry.name))) yield path;
  }
}

// GitHub's anchors: lower case, without punctuation, hyphens for blanks, duplicates numbered.
const anchorsOf = new Map();
function anchors(path) {
  if (!anchorsOf.has(path)) {
    const seen = new Map();
    const found = new Set();
    for (const { text } of prose(path)) {
      const heading = text.match(/^#{1,6}\s+(.*?)\s*#*$/);
      if (!heading) continue;
      const slug = heading[1]
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-');
      const number = seen.get(slug) ?? 0;
      seen.set(slug, number + 1);
      found.add(number === 0 ? slug : `${slug}-${number}`);
    }
    anchorsOf.set(path, found);
  }
  return anchorsOf.get(path);
}

// Returns the lines outside of code blocks.
function prose(path) {
  let fenced = false;
  const lines = [];
  readFileSync(path, 'utf8')
    .split('\n')
    .forEach((text, index) => {
      if (/^\s*```/.test(text)) fenced = !fenced;
      else if (!fenced) lines.push({ text, number: index + 1 });
    });
  return lines;
}

const broken = [];
function check(path, number, link, target, anchor) {
  const at = `${relative(root, path)}:${number}`;
  if (!existsSync(target)) broken.push(`${at}: ${link}: no such file`);
  else if (anchor && (!statSync(target).isFile() || !anchors(target).has(anchor))) broken.push(`${at}: ${link}: no such heading`);
}

for (const path of filesBelow(root)) {
  if (extname(path) === '.md')
    for (const { text, number } of prose(path)) {
      for (const [, file] of text.matchAll(/`((?:operator|tests|charts|docs|crds|\.ci)\/[\w./-]+)`/g)) check(path, number, file, join(root, file));
      for (const [, link] of text.replace(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)) {
        if (/^[a-z]+:/i.test(link)) continue;
        const [file, anchor] = link.split('#');
        check(path, number, link, file === '' ? path : normalize(join(dirname(path), decodeURI(file))), anchor);
      }
    }
  else
    readFileSync(path, 'utf8')
      .split('\n')
      .forEach((text, index) => {
        for (const [link] of text.matchAll(/(?<![\w/.-])docs\/[\w/-]+\.(?:md|svg)\b(?:#[\w-]+)?/g)) {
          const [file, anchor] = link.split('#');
          // Documents also cite paths of other repositories; ours start with one of our folders.
          if (existsSync(join(root, 'docs', file.split('/')[1])) || !file.slice(5).includes('/')) check(path, index + 1, link, join(root, file), anchor);
        }
      });
}

broken.forEach((line) => console.error(line));
if (broken.length > 0) process.exit(1);
