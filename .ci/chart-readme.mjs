// Writes the chart's README.md from Chart.yaml and the comments of values.yaml. With --check it writes nothing and fails if the file is stale.
import { readFileSync, writeFileSync } from 'node:fs';

const chart = new URL('../charts/gpu-budget-operator/', import.meta.url);
const read = (name) => readFileSync(new URL(name, chart), 'utf8');
const field = (name) => read('Chart.yaml').match(new RegExp(`^${name}: "?(.*?)"?$`, 'm'))[1];

// A key with a comment is a value: deeper lines are its default. A key without one groups the keys below it.
const values = [];
const path = [];
let comment = [];
let current = null;
for (const line of read('values.yaml').split('\n')) {
  const indent = line.search(/\S/);
  if (current && indent >= 0 && (indent > current.indent || (indent === current.indent && line[indent] === '-'))) {
    current.lines.push(line.slice(current.indent));
    continue;
  }
  current = null;
  const text = line.trim();
  if (text === '') comment = [];
  else if (text.startsWith('#')) comment.push(text.replace(/^# ?/, ''));
  else {
    const [, key, value] = text.match(/^([\w.-]+):\s*(.*)$/);
    path.length = indent / 2;
    path.push(key);
    if (comment.length > 0) {
      current = { name: path.join('.'), indent, lines: value === '' ? [] : [value], text: comment };
      values.push(current);
    } else if (value !== '') throw new Error(`values.yaml: ${path.join('.')} has no comment`);
    comment = [];
  }
}

const cell = (text) => text.replaceAll('|', '\\|');
const description = ({ text }) => {
  const end = text.indexOf('Example:');
  return cell((end < 0 ? text : text.slice(0, end)).join(' '));
};
const example = ({ text }) => {
  const at = text.indexOf('Example:');
  return at < 0 ? null : text.slice(at + 1).join('\n');
};
const byDefault = ({ lines }) => (lines.length === 1 ? `\`${cell(lines[0])}\`` : 'see values.yaml');

const groups = new Map();
for (const value of values) {
  const group = value.name.includes('.') ? value.name.split('.')[0] : '';
  groups.set(group, [...(groups.get(group) ?? []), value]);
}
const tables = [...groups].map(
  ([group, members]) => `### ${group === '' ? 'All objects' : group}

| value | default | description |
| --- | --- | --- |
${members.map((value) => `| \`${value.name}\` | ${byDefault(value)} | ${description(value)} |`).join('\n')}
${members
  .filter(example)
  .map((value) => `\nExample of \`${value.name}\`:\n\n\`\`\`yaml\n${value.name.split('.').at(-1)}:\n${example(value)}\n\`\`\`\n`)
  .join('')}`,
);

const readme = `# ${field('name')}

${field('description')}

Version ${field('version')}, for Kubernetes ${field('kubeVersion').replace('>=', '').replace('-0', '')} or newer. This page is generated from \`values.yaml\`.

## Install

\`image.repository\` is the only value that must be set. The agent image is expected at the same location with the suffix \`-agent\`.

\`\`\`
helm install bursar charts/gpu-budget-operator --namespace bursar-system --create-namespace --set image.repository=registry.example/bursar
helm test bursar --namespace bursar-system
\`\`\`

Install one release in a cluster: a second one would bill and suspend the same workloads.

## Upgrade and uninstall

\`helm upgrade\` also updates the CRDs, which are templates. \`helm uninstall\` ends by resuming every workload that Bursar suspended.
With \`crds.keep\` (the default) the CRDs, and with them budgets and ledgers, are kept.

## Values

${tables.join('\n')}`;

const file = new URL('README.md', chart);
if (!process.argv.includes('--check')) writeFileSync(file, readme);
else if (readFileSync(file, 'utf8') !== readme) {
  console.error('charts/gpu-budget-operator/README.md is stale: run make generate');
  process.exit(1);
}
