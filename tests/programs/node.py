#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""node: worker threads, buffers, digests, compression and JSON."""

import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402

SCRIPT = r"""
'use strict';
const { Worker, isMainThread, parentPort, workerData } =
  require('worker_threads');
const crypto = require('crypto');
const zlib = require('zlib');
const { promisify } = require('util');

function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

async function job(seed, rounds) {
  const next = numbers(seed);
  const digest = crypto.createHash('sha256');
  const deflate = promisify(zlib.deflate);
  const inflate = promisify(zlib.inflate);
  let kept = [];
  for (let round = 0; round < rounds; round++) {
    const size = 1 + next() % 60000;
    const buffer = Buffer.allocUnsafeSlow(size);
    for (let i = 0; i < size; i += 97) buffer.fill(next() % 64, i);
    kept.push(buffer);
    if (kept.length > 40) kept = kept.filter((_, i) => i % 3);
    const packed = await Promise.all([deflate(buffer),
                                      deflate(kept[next() % kept.length])]);
    const back = await inflate(packed[0]);
    if (!back.equals(buffer)) throw new Error('inflate gave other bytes');
    const table = new Map();
    for (let i = 0; i < 200; i++)
      table.set('k' + next() % 90, { i, text: 'x'.repeat(next() % 30) });
    digest.update(JSON.stringify([...table]));
    digest.update(crypto.createHash('md5').update(back).digest());
    digest.update(String(packed[0].length));
  }
  return digest.digest('hex');
}

if (isMainThread) {
  const [workers, rounds] = process.argv.slice(2).map(Number);
  const all = [];
  for (let i = 1; i <= workers; i++) {
    all.push(new Promise((resolve, reject) => {
      const worker = new Worker(__filename, {
        workerData: { seed: i, rounds } });
      worker.on('message', (m) => resolve(`worker ${i} ${m}`));
      worker.on('error', reject);
    }));
  }
  all.push(job(99, rounds).then((m) => `main ${m}`));
  Promise.all(all).then((lines) => console.log(lines.join('\n')));
} else {
  job(workerData.seed, workerData.rounds)
    .then((m) => parentPort.postMessage(m));
}
"""


class Node:
    name = "node"

    def missing(self):
        if harness.find_program("node", "nodejs") is None:
            return "node is not installed"
        return None

    def prepare(self, bench):
        pass

    def run(self, run):
        script = run.write("work.js", SCRIPT)
        done = run.call([harness.find_program("node", "nodejs"), script, "4",
                         str(run.scale(small=20, quick=150, demo=90))])
        run.out("answers", done.out)
        run.out("complaints", done.err)
        if done.out.count(b"worker ") != 4:
            raise harness.Failure("not every worker thread answered")


if __name__ == "__main__":
    harness.run_as_script(Node())
