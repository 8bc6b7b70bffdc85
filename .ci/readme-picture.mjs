// Runs the demo with real kubectl and draws the session as docs/demo.svg: a runaway job, its suspension, a higher limit, the resume.
// Usage: make readme-picture. The texts are unedited output.
import { spawn, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const width = 104; // characters
const demo = spawn('bin/bursar-demo', ['--speed', '60'], { stdio: ['ignore', 'pipe', 'inherit'] });
const kubeconfig = await new Promise((resolve, reject) => {
  createInterface({ input: demo.stdout }).on('line', (line) => {
    const found = line.match(/export KUBECONFIG=(\S+)/);
    if (found) resolve(found[1]);
  });
  demo.on('exit', () => reject(new Error('the demo ended before its cluster was up')));
});

const run = (command) =>
  execFileSync('bash', ['-c', command], {
    encoding: 'utf8',
    env: { ...process.env, KUBECONFIG: kubeconfig, PATH: `${process.cwd()}/.tools:${process.cwd()}/bin:${process.env.PATH}` },
  });

async function until(what, holds) {
  for (let attempt = 0; attempt < 240; attempt++) {
    try {
      if (holds()) return;
    } catch {
      // The file does not exist yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`not within two minutes: ${what}`);
}

const session = [];
const show = (command) => session.push({ command, output: run(command).trimEnd().split('\n') });
const suspended = () => run("kubectl get job vit-runaway -n team-vision -o jsonpath='{.spec.suspend}'").trim() === 'true';
const events = 'kubectl get events -n team-vision --field-selector involvedObject.name=vit-runaway,reportingComponent=bursar.dev/operator';
const message = (reason) => `${events},reason=${reason} --no-headers -o custom-columns=:message`;

try {
  await until('the job is suspended', suspended);
  await until('the status shows it', () => run('kubectl get gpub vision -n team-vision -o jsonpath={.status.suspendedCount}').trim() === '1');
  show('kubectl get gpub -n team-vision');
  show('kubectl get job vit-runaway -n team-vision');
  show(message('Suspended'));
  show(`kubectl patch gpub vision -n team-vision --type merge -p '{"spec":{"limit":{"cost":"30"}}}'`);
  await until('the job is resumed', () => !suspended());
  await until('the Event is there', () => run(message('Resumed')).trim() !== '');
  show(message('Resumed'));
} finally {
  demo.kill('SIGINT');
}

const wrap = (text) => {
  const lines = [];
  let line = '';
  for (const word of text.split(/(?<= )/)) {
    if (line.length > 0 && (line + word).trimEnd().length > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += word;
  }
  return [...lines, line.trimEnd()];
};
const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const rows = session.flatMap(({ command, output }) => [
  ...wrap(`$ ${command}`).map((text) => ({ text, kind: 'command' })),
  ...output.flatMap(wrap).map((text) => ({ text, kind: 'output' })),
  { text: '', kind: 'output' },
]);
const lineHeight = 18;
const height = 52 + rows.length * lineHeight;
const body = rows
  .map(({ text, kind }, i) => `<text x="18" y="${50 + i * lineHeight}" class="${kind}" xml:space="preserve">${escape(text)}</text>`)
  .join('\n');
writeFileSync(
  'docs/demo.svg',
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width * 8 + 36}" height="${height}" role="img" aria-label="Terminal session: Bursar suspends a runaway job and resumes it after the limit is raised">
<style>
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #c9d1d9 }
.command { fill: #7ee787 }
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<circle cx="20" cy="18" r="6" fill="#ff5f56"/><circle cx="40" cy="18" r="6" fill="#ffbd2e"/><circle cx="60" cy="18" r="6" fill="#27c93f"/>
${body}
</svg>
`,
);
console.log(`docs/demo.svg: ${rows.length} lines`);
