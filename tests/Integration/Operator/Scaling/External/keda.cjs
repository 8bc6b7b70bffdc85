// KEDA's side, played by npm's @grpc/grpc-js. Reads one JSON order a line, {id, method, request, timeoutMs?, times?}, and writes
// one JSON line for each thing that happens: {id, reply}, {id, code, details}, for a stream {id, reply}... {id, code, details}.
// With `times` the call is made that often at once and {id, oks, codes} comes back. {id, cancel: <id>} cancels a stream.
'use strict';
const { createRequire } = require('node:module');
const path = require('node:path');
const [, , tools, address] = process.argv;
const load = createRequire(path.join(tools, 'package.json'));
const grpc = load('@grpc/grpc-js');
const definition = load('@grpc/proto-loader').loadSync(path.join(__dirname, 'contract.proto'), { keepCase: true, longs: Number, defaults: true });
const client = new (grpc.loadPackageDefinition(definition).externalscaler.ExternalScaler)(address, grpc.credentials.createInsecure());
const streams = new Map();
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');

function unary(method, request, options) {
  return new Promise((resolve) => client[method](request, new grpc.Metadata(), options, (error, reply) => resolve(error ? { code: error.code, details: error.details } : { reply })));
}

require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, request, timeoutMs, times, cancel } = JSON.parse(line);
  if (cancel !== undefined) return streams.get(cancel).cancel();
  const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  if (method.startsWith('Stream')) {
    const stream = client[method](request, new grpc.Metadata(), options);
    streams.set(id, stream);
    stream.on('data', (reply) => say({ id, reply }));
    stream.on('error', (error) => say({ id, code: error.code, details: error.details }));
    stream.on('end', () => {});
  } else if (times === undefined) {
    say({ id, ...(await unary(method, request, options)) });
  } else {
    const answers = await Promise.all(Array.from({ length: times }, () => unary(method, request, options)));
    say({ id, oks: answers.filter((answer) => answer.reply).length, codes: [...new Set(answers.map((answer) => answer.code ?? 0))] });
  }
}).on('close', () => process.exit(0));
say({ ready: true });
